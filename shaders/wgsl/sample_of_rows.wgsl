@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<f32>;

@group(0)
@binding(2)
var<storage, read_write> buffer_2_global: array<f32>;

@group(0)
@binding(3)
var<storage, read_write> buffer_3_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 8>,
}

@group(0)
@binding(4)
var<storage, read> info: info_st;

var<workgroup> shared_memory_13: array<f32, 256>;

var<workgroup> shared_memory_14: array<u32, 256>;

var<workgroup> shared_memory_15: array<f32, 256>;

var<workgroup> shared_memory_16: array<u32, 256>;

var<workgroup> shared_memory_92: array<f32, 256>;

var<workgroup> shared_memory_214: array<f32, 256>;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn of_rows(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_18: f32;
var l_mut_193: bool;
var l_mut_215: f32;
var l_mut_233: f32;
var l_mut_234: bool;
var l_mut_250: f32;
var l_mut_251: f32;
var l_mut_252: u32;
var l_mut_253: bool;
var l_mut_33: u32;
var l_mut_39: u32;
var l_mut_99: f32;
let l_0 = info.scalars_u32[0] + u32(8192);
let l_1 = l_0 - u32(1);
let l_2 = l_1 / u32(8192);
let l_3 = info.static_meta[u32(5)];
let l_4 = l_3 / u32(2);
let l_5 = workgroup_id_no_axis >= l_4;
if l_5 {
return;
}
let l_6 = workgroup_id_no_axis * u32(2);
let l_7 = buffer_1_global[l_6];
let l_8 = workgroup_id_no_axis * u32(2);
let l_9 = l_8 + u32(1);
let l_10 = buffer_1_global[l_9];
let l_11 = workgroup_id_no_axis * l_2;
let l_12 = l_11 * u32(515);
shared_memory_13[local_idx] = f32(-1.0000000150474662e30);
let l_17 = u32(1073741824) + local_idx;
shared_memory_14[local_idx] = l_17;
l_mut_18 = f32(-1.0000000150474662e30);

for (var l_mut_19: u32 = u32(0); l_mut_19 < l_2; l_mut_19++) {
let l_20 = l_mut_19 * u32(515);
let l_21 = l_12 + l_20;
let l_22 = buffer_2_global[l_21];
let l_23 = l_mut_18;
let l_24 = max(l_23, l_22);
l_mut_18 = l_24;
let l_25 = l_21 + u32(3);
let l_26 = l_25 + local_idx;
let l_27 = buffer_2_global[l_26];
let l_28 = l_21 + u32(3);
let l_29 = l_28 + u32(256);
let l_30 = l_29 + local_idx;
let l_31 = buffer_2_global[l_30];
let l_32 = u32(l_31);
shared_memory_15[local_idx] = l_27;
shared_memory_16[local_idx] = l_32;
workgroupBarrier();
l_mut_33 = u32(2);
loop {
let l_34 = l_mut_33;
let l_35 = l_34 <= u32(256);
let l_36 = !l_35;
if l_36 {
break;
}
let l_37 = l_mut_33;
let l_38 = l_37 / u32(2);
l_mut_39 = l_38;
loop {
let l_40 = l_mut_39;
let l_41 = l_40 > u32(0);
let l_42 = !l_41;
if l_42 {
break;
}
let l_43 = l_mut_39;
let l_44 = l_mut_33;
let l_45 = local_idx & l_44;
let l_46 = l_45 != u32(0);
let l_47 = local_idx ^ l_43;
let l_48 = l_47 > local_idx;
if l_48 {
let l_49 = shared_memory_15[local_idx];
let l_50 = shared_memory_16[local_idx];
let l_51 = shared_memory_15[l_47];
let l_52 = shared_memory_16[l_47];
let l_53 = l_51 > l_49;
let l_54 = l_51 == l_49;
let l_55 = l_52 < l_50;
let l_56 = l_54 && l_55;
let l_57 = l_53 || l_56;
let l_58 = l_57 == l_46;
if l_58 {
shared_memory_15[local_idx] = l_51;
shared_memory_16[local_idx] = l_52;
shared_memory_15[l_47] = l_49;
shared_memory_16[l_47] = l_50;
}
}
workgroupBarrier();
let l_59 = l_mut_39;
let l_60 = l_59 / u32(2);
l_mut_39 = l_60;
}
let l_61 = l_mut_33;
let l_62 = l_61 * u32(2);
l_mut_33 = l_62;
}
let l_63 = shared_memory_15[local_idx];
let l_64 = shared_memory_16[local_idx];
let l_65 = shared_memory_13[local_idx];
let l_66 = shared_memory_14[local_idx];
let l_67 = l_63 > l_65;
let l_68 = l_63 == l_65;
let l_69 = l_64 < l_66;
let l_70 = l_68 && l_69;
let l_71 = l_67 || l_70;
if l_71 {
shared_memory_13[local_idx] = l_63;
shared_memory_14[local_idx] = l_64;
}
workgroupBarrier();
l_mut_39 = u32(128);
loop {
let l_72 = l_mut_39;
let l_73 = l_72 > u32(0);
let l_74 = !l_73;
if l_74 {
break;
}
let l_75 = l_mut_39;
let l_76 = local_idx ^ l_75;
let l_77 = l_76 > local_idx;
if l_77 {
let l_78 = shared_memory_13[local_idx];
let l_79 = shared_memory_14[local_idx];
let l_80 = shared_memory_13[l_76];
let l_81 = shared_memory_14[l_76];
let l_82 = l_80 > l_78;
let l_83 = l_80 == l_78;
let l_84 = l_81 < l_79;
let l_85 = l_83 && l_84;
let l_86 = l_82 || l_85;
let l_87 = l_86 == bool(true);
if l_87 {
shared_memory_13[local_idx] = l_80;
shared_memory_14[local_idx] = l_81;
shared_memory_13[l_76] = l_78;
shared_memory_14[l_76] = l_79;
}
}
workgroupBarrier();
let l_88 = l_mut_39;
let l_89 = l_88 / u32(2);
l_mut_39 = l_89;
}
}
let l_90 = shared_memory_14[local_idx];
let l_91 = l_90 / u32(8192);

for (var l_mut_93: u32 = u32(0); l_mut_93 < u32(32); l_mut_93++) {
let l_94 = l_90 % u32(256);
let l_95 = l_91 * u32(8192);
let l_96 = l_mut_93 * u32(256);
let l_97 = l_95 + l_96;
let l_98 = l_97 + l_94;
l_mut_99 = f32(-1.0000000150474662e30);
let l_100 = u32(1073741824) + local_idx;
l_mut_39 = l_100;
let l_101 = l_90 < u32(1073741824);
let l_102 = l_98 < info.scalars_u32[0];
let l_103 = l_101 && l_102;
let l_104 = l_98 != l_90;
let l_105 = l_103 && l_104;
if l_105 {
let l_106 = workgroup_id_no_axis * info.scalars_u32[0];
let l_107 = l_106 + l_98;
let l_108 = buffer_0_global[l_107];
l_mut_99 = l_108;
l_mut_39 = l_98;
}
let l_109 = l_mut_99;
workgroupBarrier();
shared_memory_92[local_idx] = l_109;
workgroupBarrier();
let l_110 = workgroup_size_no_axis / u32(2);
l_mut_33 = l_110;
loop {
let l_111 = l_mut_33 > u32(0);
let l_112 = !l_111;
if l_112 {
break;
}
let l_113 = local_idx < l_mut_33;
if l_113 {
let l_114 = local_idx + l_mut_33;
let l_115 = shared_memory_92[l_114];
let l_116 = shared_memory_92[local_idx];
let l_117 = max(l_116, l_115);
shared_memory_92[local_idx] = l_117;
}
workgroupBarrier();
l_mut_33 = l_mut_33 / u32(2);
}
let l_118 = shared_memory_92[u32(0)];
let l_119 = shared_memory_13[u32(255)];
let l_120 = l_118 >= l_119;
if l_120 {
workgroupBarrier();
let l_121 = l_mut_99;
let l_122 = l_mut_39;
shared_memory_15[local_idx] = l_121;
shared_memory_16[local_idx] = l_122;
workgroupBarrier();
l_mut_39 = u32(2);
loop {
let l_123 = l_mut_39;
let l_124 = l_123 <= u32(256);
let l_125 = !l_124;
if l_125 {
break;
}
let l_126 = l_mut_39;
let l_127 = l_126 / u32(2);
l_mut_33 = l_127;
loop {
let l_128 = l_mut_33;
let l_129 = l_128 > u32(0);
let l_130 = !l_129;
if l_130 {
break;
}
let l_131 = l_mut_33;
let l_132 = l_mut_39;
let l_133 = local_idx & l_132;
let l_134 = l_133 != u32(0);
let l_135 = local_idx ^ l_131;
let l_136 = l_135 > local_idx;
if l_136 {
let l_137 = shared_memory_15[local_idx];
let l_138 = shared_memory_16[local_idx];
let l_139 = shared_memory_15[l_135];
let l_140 = shared_memory_16[l_135];
let l_141 = l_139 > l_137;
let l_142 = l_139 == l_137;
let l_143 = l_140 < l_138;
let l_144 = l_142 && l_143;
let l_145 = l_141 || l_144;
let l_146 = l_145 == l_134;
if l_146 {
shared_memory_15[local_idx] = l_139;
shared_memory_16[local_idx] = l_140;
shared_memory_15[l_135] = l_137;
shared_memory_16[l_135] = l_138;
}
}
workgroupBarrier();
let l_147 = l_mut_33;
let l_148 = l_147 / u32(2);
l_mut_33 = l_148;
}
let l_149 = l_mut_39;
let l_150 = l_149 * u32(2);
l_mut_39 = l_150;
}
let l_151 = shared_memory_15[local_idx];
let l_152 = shared_memory_16[local_idx];
let l_153 = shared_memory_13[local_idx];
let l_154 = shared_memory_14[local_idx];
let l_155 = l_151 > l_153;
let l_156 = l_151 == l_153;
let l_157 = l_152 < l_154;
let l_158 = l_156 && l_157;
let l_159 = l_155 || l_158;
if l_159 {
shared_memory_13[local_idx] = l_151;
shared_memory_14[local_idx] = l_152;
}
workgroupBarrier();
l_mut_39 = u32(128);
loop {
let l_160 = l_mut_39;
let l_161 = l_160 > u32(0);
let l_162 = !l_161;
if l_162 {
break;
}
let l_163 = l_mut_39;
let l_164 = local_idx ^ l_163;
let l_165 = l_164 > local_idx;
if l_165 {
let l_166 = shared_memory_13[local_idx];
let l_167 = shared_memory_14[local_idx];
let l_168 = shared_memory_13[l_164];
let l_169 = shared_memory_14[l_164];
let l_170 = l_168 > l_166;
let l_171 = l_168 == l_166;
let l_172 = l_169 < l_167;
let l_173 = l_171 && l_172;
let l_174 = l_170 || l_173;
let l_175 = l_174 == bool(true);
if l_175 {
shared_memory_13[local_idx] = l_168;
shared_memory_14[local_idx] = l_169;
shared_memory_13[l_164] = l_166;
shared_memory_14[l_164] = l_167;
}
}
workgroupBarrier();
let l_176 = l_mut_39;
let l_177 = l_176 / u32(2);
l_mut_39 = l_177;
}
}
}
let l_178 = l_mut_18;
l_mut_99 = f32(0.0);

for (var l_mut_179: u32 = u32(0); l_mut_179 < l_2; l_mut_179++) {
let l_180 = l_mut_179 * u32(515);
let l_181 = l_12 + l_180;
let l_182 = l_mut_99;
let l_183 = l_181 + u32(1);
let l_184 = buffer_2_global[l_183];
let l_185 = buffer_2_global[l_181];
let l_186 = l_185 - l_178;
let l_187 = l_186 * l_7;
let l_188 = exp(l_187);
let l_189 = l_184 * l_188;
let l_190 = l_182 + l_189;
l_mut_99 = l_190;
}
let l_191 = l_mut_99;
let l_192 = l_10 * l_191;
l_mut_99 = f32(0.0);
l_mut_18 = f32(0.0);
l_mut_39 = u32(0);
l_mut_193 = bool(false);

for (var l_mut_194: u32 = u32(0); l_mut_194 < l_2; l_mut_194++) {
let l_195 = l_mut_194 * u32(515);
let l_196 = l_12 + l_195;
let l_197 = l_196 + u32(1);
let l_198 = buffer_2_global[l_197];
let l_199 = buffer_2_global[l_196];
let l_200 = l_199 - l_178;
let l_201 = l_200 * l_7;
let l_202 = exp(l_201);
let l_203 = l_198 * l_202;
let l_204 = l_mut_193;
let l_205 = !l_204;
let l_206 = l_203 > f32(0.0);
let l_207 = l_205 && l_206;
if l_207 {
let l_208 = l_mut_99;
l_mut_39 = l_mut_194;
l_mut_18 = l_208;
let l_209 = l_208 + l_203;
let l_210 = l_209 > l_192;
l_mut_193 = l_210;
let l_211 = l_208 + l_203;
l_mut_99 = l_211;
}
}
let l_212 = l_mut_39;
let l_213 = l_212 * u32(8192);
l_mut_215 = f32(0.0);

for (var l_mut_216: u32 = u32(0); l_mut_216 < u32(32); l_mut_216++) {
let l_217 = local_idx * u32(32);
let l_218 = l_213 + l_217;
let l_219 = l_218 + l_mut_216;
let l_220 = l_219 < info.scalars_u32[0];
if l_220 {
let l_221 = l_mut_215;
let l_222 = workgroup_id_no_axis * info.scalars_u32[0];
let l_223 = l_222 + l_219;
let l_224 = buffer_0_global[l_223];
let l_225 = l_224 - l_178;
let l_226 = l_225 * l_7;
let l_227 = exp(l_226);
let l_228 = l_221 + l_227;
l_mut_215 = l_228;
}
}
let l_229 = l_mut_215;
shared_memory_214[local_idx] = l_229;
workgroupBarrier();
let l_230 = local_idx == u32(0);
if l_230 {
let l_231 = l_mut_18;
let l_232 = l_192 - l_231;
l_mut_215 = f32(0.0);
l_mut_233 = f32(0.0);
l_mut_33 = u32(0);
l_mut_234 = bool(false);

for (var l_mut_235: u32 = u32(0); l_mut_235 < u32(256); l_mut_235++) {
let l_236 = shared_memory_214[l_mut_235];
let l_237 = l_mut_234;
let l_238 = !l_237;
let l_239 = l_236 > f32(0.0);
let l_240 = l_238 && l_239;
if l_240 {
let l_241 = l_mut_215;
l_mut_33 = l_mut_235;
l_mut_233 = l_241;
let l_242 = l_241 + l_236;
let l_243 = l_242 > l_232;
l_mut_234 = l_243;
let l_244 = l_241 + l_236;
l_mut_215 = l_244;
}
}
let l_245 = l_mut_33;
let l_246 = l_245 * u32(32);
let l_247 = l_213 + l_246;
let l_248 = l_mut_233;
let l_249 = l_232 - l_248;
l_mut_250 = f32(0.0);
l_mut_251 = f32(0.0);
l_mut_252 = u32(0);
l_mut_253 = bool(false);

for (var l_mut_254: u32 = u32(0); l_mut_254 < u32(32); l_mut_254++) {
let l_255 = l_247 + l_mut_254;
let l_256 = l_255 < info.scalars_u32[0];
if l_256 {
let l_257 = l_247 + l_mut_254;
let l_258 = workgroup_id_no_axis * info.scalars_u32[0];
let l_259 = l_258 + l_247;
let l_260 = l_259 + l_mut_254;
let l_261 = buffer_0_global[l_260];
let l_262 = l_261 - l_178;
let l_263 = l_262 * l_7;
let l_264 = exp(l_263);
let l_265 = l_mut_253;
let l_266 = !l_265;
let l_267 = l_264 > f32(0.0);
let l_268 = l_266 && l_267;
if l_268 {
let l_269 = l_mut_250;
l_mut_252 = l_257;
l_mut_251 = l_269;
let l_270 = l_269 + l_264;
let l_271 = l_270 > l_249;
l_mut_253 = l_271;
let l_272 = l_269 + l_264;
l_mut_250 = l_272;
}
}
}
let l_273 = workgroup_id_no_axis * u32(515);
buffer_3_global[l_273] = l_178;
let l_274 = workgroup_id_no_axis * u32(515);
let l_275 = l_274 + u32(1);
buffer_3_global[l_275] = l_191;
let l_276 = workgroup_id_no_axis * u32(515);
let l_277 = l_276 + u32(2);
let l_278 = l_mut_252;
let l_279 = f32(l_278);
buffer_3_global[l_277] = l_279;
}
let l_280 = workgroup_id_no_axis * u32(515);
let l_281 = l_280 + u32(3);
let l_282 = l_281 + local_idx;
let l_283 = shared_memory_13[local_idx];
buffer_3_global[l_282] = l_283;
let l_284 = workgroup_id_no_axis * u32(515);
let l_285 = l_284 + u32(3);
let l_286 = l_285 + u32(256);
let l_287 = l_286 + local_idx;
let l_288 = shared_memory_14[local_idx];
let l_289 = f32(l_288);
buffer_3_global[l_287] = l_289;
}
