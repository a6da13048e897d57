@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<vec4<f32>>;

@group(0)
@binding(2)
var<storage, read_write> buffer_2_global: array<f32>;

@group(0)
@binding(3)
var<storage, read_write> buffer_3_global: array<i32>;

@group(0)
@binding(4)
var<storage, read_write> buffer_4_global: array<f32>;

@group(0)
@binding(5)
var<storage, read_write> buffer_5_global: array<f32>;

struct info_st {
   scalars_f32: array<f32, 2>,
   scalars_u32: array<u32, 6>,
   static_meta: array<u32, 12>,
}

@group(0)
@binding(6)
var<storage, read> info: info_st;

var<workgroup> shared_memory_39: array<vec4<f32>, 10>;

var<workgroup> shared_memory_82: array<f32, 640>;

var<workgroup> shared_memory_83: array<f32, 128>;

var<workgroup> shared_memory_84: array<f32, 5>;

var<workgroup> shared_memory_292: array<f32, 5>;

var<workgroup> shared_memory_293: array<f32, 5>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn attend_n_4(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_81: array<f32, 5>;

var a_92: array<vec4<f32>, 5>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_135: f32;
var l_mut_210: u32;
var l_mut_230: f32;
var l_mut_29: u32;
var l_mut_62: vec4<f32>;
var l_mut_63: vec4<f32>;
var l_mut_78: f32;
var l_mut_79: f32;
var l_mut_86: u32;
let l_0 = info.scalars_u32[1] * info.scalars_u32[4];
let l_1 = l_0 + u32(5);
let l_2 = l_1 - u32(1);
let l_3 = l_2 / u32(5);
let l_4 = info.scalars_u32[0] * info.scalars_u32[3];
let l_5 = l_4 * l_3;
let l_6 = l_5 * info.scalars_u32[5];
let l_7 = workgroup_id_no_axis >= l_6;
if l_7 {
return;
}
let l_8 = workgroup_id_no_axis % info.scalars_u32[5];
let l_9 = workgroup_id_no_axis / info.scalars_u32[5];
let l_10 = l_9 % l_3;
let l_11 = info.scalars_u32[5] * l_3;
let l_12 = workgroup_id_no_axis / l_11;
let l_13 = l_12 % info.scalars_u32[3];
let l_14 = info.scalars_u32[5] * l_3;
let l_15 = l_14 * info.scalars_u32[3];
let l_16 = workgroup_id_no_axis / l_15;
let l_17 = buffer_3_global[l_16];
let l_18 = u32(l_17);
let l_19 = info.scalars_u32[0] + l_16;
let l_20 = buffer_3_global[l_19];
let l_21 = u32(l_20);
let l_22 = l_10 * u32(5);
let l_23 = l_22 + u32(5);
let l_24 = min(l_23, l_0);
let l_25 = l_24 - u32(1);
let l_26 = l_25 / info.scalars_u32[4];
let l_27 = l_21 + l_26;
let l_28 = l_27 + u32(1);
l_mut_29 = u32(0);
let l_30 = l_28 > l_18;
if l_30 {
let l_31 = l_28 - l_18;
l_mut_29 = l_31;
}
let l_32 = l_mut_29 + info.scalars_u32[5];
let l_33 = l_32 - u32(1);
let l_34 = l_33 / info.scalars_u32[5];
let l_35 = l_8 * l_34;
let l_36 = l_18 + l_35;
let l_37 = l_36 + l_34;
let l_38 = min(l_37, l_28);
l_mut_29 = local_idx;
loop {
let l_40 = l_mut_29 < u32(10);
let l_41 = !l_40;
if l_41 {
break;
}
let l_42 = l_10 * u32(5);
let l_43 = l_mut_29 / u32(2);
let l_44 = l_42 + l_43;
let l_45 = l_0 - u32(1);
let l_46 = min(l_44, l_45);
let l_47 = l_46 / info.scalars_u32[4];
let l_48 = l_16 * info.scalars_u32[1];
let l_49 = l_48 + l_47;
let l_50 = l_13 * info.scalars_u32[4];
let l_51 = l_46 % info.scalars_u32[4];
let l_52 = l_50 + l_51;
let l_53 = l_21 + l_47;
let l_54 = l_49 * info.scalars_u32[3];
let l_55 = l_54 * info.scalars_u32[4];
let l_56 = l_55 + l_52;
let l_57 = l_56 * u32(8);
let l_58 = l_mut_29 % u32(2);
let l_59 = l_58 * u32(4);
let l_60 = l_57 + l_59;
let l_61 = vec4<f32>(f32(0.0));
l_mut_62 = l_61;
l_mut_63 = l_mut_62;
let l_64 = l_60 + u32(0);
let l_65 = buffer_0_global[l_64];
let l_66 = l_65 * info.scalars_f32[0];
l_mut_63[u32(0)] = l_66;
let l_67 = l_60 + u32(1);
let l_68 = buffer_0_global[l_67];
let l_69 = l_68 * info.scalars_f32[0];
l_mut_63[u32(1)] = l_69;
let l_70 = l_60 + u32(2);
let l_71 = buffer_0_global[l_70];
let l_72 = l_71 * info.scalars_f32[0];
l_mut_63[u32(2)] = l_72;
let l_73 = l_60 + u32(3);
let l_74 = buffer_0_global[l_73];
let l_75 = l_74 * info.scalars_f32[0];
l_mut_63[u32(3)] = l_75;
shared_memory_39[l_mut_29] = l_mut_63;
l_mut_29 = l_mut_29 + u32(128);
}
let l_76 = local_idx / u32(25);
let l_77 = local_idx % u32(25);
l_mut_78 = f32(-1.0000000150474662e30);
l_mut_79 = f32(0.0);
let l_80 = local_idx / u32(8);
a_81[u32(0)] = f32(0.0);
a_81[u32(1)] = f32(0.0);
a_81[u32(2)] = f32(0.0);
a_81[u32(3)] = f32(0.0);
a_81[u32(4)] = f32(0.0);
let l_85 = info.scalars_u32[3] * u32(8);
workgroupBarrier();
l_mut_86 = l_36;
loop {
let l_87 = l_mut_86 < l_38;
let l_88 = !l_87;
if l_88 {
break;
}
let l_89 = l_38 - l_mut_86;
let l_90 = min(l_89, u32(128));
let l_91 = l_mut_86 + local_idx;
let l_93 = vec4<f32>(f32(0.0));
a_92[u32(0)] = l_93;
let l_94 = vec4<f32>(f32(0.0));
a_92[u32(1)] = l_94;
let l_95 = vec4<f32>(f32(0.0));
a_92[u32(2)] = l_95;
let l_96 = vec4<f32>(f32(0.0));
a_92[u32(3)] = l_96;
let l_97 = vec4<f32>(f32(0.0));
a_92[u32(4)] = l_97;
let l_98 = local_idx < l_90;
if l_98 {
let l_99 = l_16 * info.scalars_u32[2];
let l_100 = l_99 + l_91;
let l_101 = l_100 * l_85;
let l_102 = l_13 * u32(8);
let l_103 = l_101 + l_102;
let l_104 = l_103 / u32(4);

for (var l_mut_105: u32 = u32(0); l_mut_105 < u32(2); l_mut_105++) {
let l_106 = l_104 + l_mut_105;
let l_107 = buffer_1_global[l_106];
let l_108 = u32(0) + l_mut_105;
let l_109 = shared_memory_39[l_108];
let l_110 = l_107 * l_109;
let l_111 = a_92[u32(0)];
let l_112 = l_111 + l_110;
a_92[u32(0)] = l_112;
let l_113 = u32(2) + l_mut_105;
let l_114 = shared_memory_39[l_113];
let l_115 = l_107 * l_114;
let l_116 = a_92[u32(1)];
let l_117 = l_116 + l_115;
a_92[u32(1)] = l_117;
let l_118 = u32(4) + l_mut_105;
let l_119 = shared_memory_39[l_118];
let l_120 = l_107 * l_119;
let l_121 = a_92[u32(2)];
let l_122 = l_121 + l_120;
a_92[u32(2)] = l_122;
let l_123 = u32(6) + l_mut_105;
let l_124 = shared_memory_39[l_123];
let l_125 = l_107 * l_124;
let l_126 = a_92[u32(3)];
let l_127 = l_126 + l_125;
a_92[u32(3)] = l_127;
let l_128 = u32(8) + l_mut_105;
let l_129 = shared_memory_39[l_128];
let l_130 = l_107 * l_129;
let l_131 = a_92[u32(4)];
let l_132 = l_131 + l_130;
a_92[u32(4)] = l_132;
}
}
let l_133 = l_10 * u32(5);
let l_134 = l_133 + u32(0);
l_mut_135 = f32(-1.0000000150474662e30);
let l_136 = local_idx < l_90;
let l_137 = l_134 < l_0;
let l_138 = l_136 && l_137;
let l_139 = l_134 / info.scalars_u32[4];
let l_140 = l_21 + l_139;
let l_141 = l_91 <= l_140;
let l_142 = l_138 && l_141;
if l_142 {
let l_143 = a_92[u32(0)];
l_mut_135 = f32(0.0);
let l_144 = l_143[u32(0)];
l_mut_135 = l_mut_135 + l_144;
let l_145 = l_143[u32(1)];
l_mut_135 = l_mut_135 + l_145;
let l_146 = l_143[u32(2)];
l_mut_135 = l_mut_135 + l_146;
let l_147 = l_143[u32(3)];
l_mut_135 = l_mut_135 + l_147;
}
let l_148 = u32(0) + local_idx;
shared_memory_82[l_148] = l_mut_135;
let l_149 = l_10 * u32(5);
let l_150 = l_149 + u32(1);
l_mut_135 = f32(-1.0000000150474662e30);
let l_151 = local_idx < l_90;
let l_152 = l_150 < l_0;
let l_153 = l_151 && l_152;
let l_154 = l_150 / info.scalars_u32[4];
let l_155 = l_21 + l_154;
let l_156 = l_91 <= l_155;
let l_157 = l_153 && l_156;
if l_157 {
let l_158 = a_92[u32(1)];
l_mut_135 = f32(0.0);
let l_159 = l_158[u32(0)];
l_mut_135 = l_mut_135 + l_159;
let l_160 = l_158[u32(1)];
l_mut_135 = l_mut_135 + l_160;
let l_161 = l_158[u32(2)];
l_mut_135 = l_mut_135 + l_161;
let l_162 = l_158[u32(3)];
l_mut_135 = l_mut_135 + l_162;
}
let l_163 = u32(128) + local_idx;
shared_memory_82[l_163] = l_mut_135;
let l_164 = l_10 * u32(5);
let l_165 = l_164 + u32(2);
l_mut_135 = f32(-1.0000000150474662e30);
let l_166 = local_idx < l_90;
let l_167 = l_165 < l_0;
let l_168 = l_166 && l_167;
let l_169 = l_165 / info.scalars_u32[4];
let l_170 = l_21 + l_169;
let l_171 = l_91 <= l_170;
let l_172 = l_168 && l_171;
if l_172 {
let l_173 = a_92[u32(2)];
l_mut_135 = f32(0.0);
let l_174 = l_173[u32(0)];
l_mut_135 = l_mut_135 + l_174;
let l_175 = l_173[u32(1)];
l_mut_135 = l_mut_135 + l_175;
let l_176 = l_173[u32(2)];
l_mut_135 = l_mut_135 + l_176;
let l_177 = l_173[u32(3)];
l_mut_135 = l_mut_135 + l_177;
}
let l_178 = u32(256) + local_idx;
shared_memory_82[l_178] = l_mut_135;
let l_179 = l_10 * u32(5);
let l_180 = l_179 + u32(3);
l_mut_135 = f32(-1.0000000150474662e30);
let l_181 = local_idx < l_90;
let l_182 = l_180 < l_0;
let l_183 = l_181 && l_182;
let l_184 = l_180 / info.scalars_u32[4];
let l_185 = l_21 + l_184;
let l_186 = l_91 <= l_185;
let l_187 = l_183 && l_186;
if l_187 {
let l_188 = a_92[u32(3)];
l_mut_135 = f32(0.0);
let l_189 = l_188[u32(0)];
l_mut_135 = l_mut_135 + l_189;
let l_190 = l_188[u32(1)];
l_mut_135 = l_mut_135 + l_190;
let l_191 = l_188[u32(2)];
l_mut_135 = l_mut_135 + l_191;
let l_192 = l_188[u32(3)];
l_mut_135 = l_mut_135 + l_192;
}
let l_193 = u32(384) + local_idx;
shared_memory_82[l_193] = l_mut_135;
let l_194 = l_10 * u32(5);
let l_195 = l_194 + u32(4);
l_mut_135 = f32(-1.0000000150474662e30);
let l_196 = local_idx < l_90;
let l_197 = l_195 < l_0;
let l_198 = l_196 && l_197;
let l_199 = l_195 / info.scalars_u32[4];
let l_200 = l_21 + l_199;
let l_201 = l_91 <= l_200;
let l_202 = l_198 && l_201;
if l_202 {
let l_203 = a_92[u32(4)];
l_mut_135 = f32(0.0);
let l_204 = l_203[u32(0)];
l_mut_135 = l_mut_135 + l_204;
let l_205 = l_203[u32(1)];
l_mut_135 = l_mut_135 + l_205;
let l_206 = l_203[u32(2)];
l_mut_135 = l_mut_135 + l_206;
let l_207 = l_203[u32(3)];
l_mut_135 = l_mut_135 + l_207;
}
let l_208 = u32(512) + local_idx;
shared_memory_82[l_208] = l_mut_135;
workgroupBarrier();
l_mut_135 = f32(-1.0000000150474662e30);
let l_209 = l_76 < u32(5);
if l_209 {
l_mut_210 = l_77;
loop {
let l_211 = l_mut_210 < l_90;
let l_212 = !l_211;
if l_212 {
break;
}
let l_213 = l_76 * u32(128);
let l_214 = l_213 + l_mut_210;
let l_215 = shared_memory_82[l_214];
let l_216 = max(l_mut_135, l_215);
l_mut_135 = l_216;
l_mut_210 = l_mut_210 + u32(25);
}
}
shared_memory_83[local_idx] = l_mut_135;
workgroupBarrier();
let l_217 = l_76 < u32(5);
if l_217 {
l_mut_135 = l_mut_78;

for (var l_mut_218: u32 = u32(0); l_mut_218 < u32(25); l_mut_218++) {
let l_219 = l_76 * u32(25);
let l_220 = l_219 + l_mut_218;
let l_221 = shared_memory_83[l_220];
let l_222 = max(l_mut_135, l_221);
l_mut_135 = l_222;
}
let l_223 = l_mut_78 - l_mut_135;
let l_224 = exp(l_223);
l_mut_78 = l_mut_135;
l_mut_79 = l_mut_79 * l_224;
l_mut_210 = l_77;
loop {
let l_225 = l_mut_210 < l_90;
let l_226 = !l_225;
if l_226 {
break;
}
let l_227 = l_76 * u32(128);
let l_228 = l_227 + l_mut_210;
let l_229 = shared_memory_82[l_228];
l_mut_230 = f32(0.0);
let l_231 = l_229 > f32(-1.0000000150474662e30);
if l_231 {
let l_232 = l_229 - l_mut_135;
let l_233 = exp(l_232);
l_mut_230 = l_233;
}
let l_234 = l_76 * u32(128);
let l_235 = l_234 + l_mut_210;
shared_memory_82[l_235] = l_mut_230;
l_mut_79 = l_mut_79 + l_mut_230;
l_mut_210 = l_mut_210 + u32(25);
}
let l_236 = l_77 == u32(0);
if l_236 {
shared_memory_84[l_76] = l_224;
}
}
workgroupBarrier();
let l_237 = local_idx % u32(8);
let l_238 = l_237 + u32(0);
let l_239 = shared_memory_84[u32(0)];
let l_240 = a_81[u32(0)];
let l_241 = l_240 * l_239;
a_81[u32(0)] = l_241;
let l_242 = shared_memory_84[u32(1)];
let l_243 = a_81[u32(1)];
let l_244 = l_243 * l_242;
a_81[u32(1)] = l_244;
let l_245 = shared_memory_84[u32(2)];
let l_246 = a_81[u32(2)];
let l_247 = l_246 * l_245;
a_81[u32(2)] = l_247;
let l_248 = shared_memory_84[u32(3)];
let l_249 = a_81[u32(3)];
let l_250 = l_249 * l_248;
a_81[u32(3)] = l_250;
let l_251 = shared_memory_84[u32(4)];
let l_252 = a_81[u32(4)];
let l_253 = l_252 * l_251;
a_81[u32(4)] = l_253;
let l_254 = l_80 < u32(16);
let l_255 = l_238 < u32(8);
let l_256 = l_254 && l_255;
if l_256 {
l_mut_210 = l_80;
loop {
let l_257 = l_mut_210 < l_90;
let l_258 = !l_257;
if l_258 {
break;
}
let l_259 = l_16 * info.scalars_u32[2];
let l_260 = l_259 + l_mut_86;
let l_261 = l_260 + l_mut_210;
let l_262 = l_261 * l_85;
let l_263 = l_13 * u32(8);
let l_264 = l_262 + l_263;
let l_265 = l_264 + l_238;
let l_266 = buffer_2_global[l_265];
let l_267 = u32(0) + l_mut_210;
let l_268 = shared_memory_82[l_267];
let l_269 = l_268 * l_266;
let l_270 = a_81[u32(0)];
let l_271 = l_270 + l_269;
a_81[u32(0)] = l_271;
let l_272 = u32(128) + l_mut_210;
let l_273 = shared_memory_82[l_272];
let l_274 = l_273 * l_266;
let l_275 = a_81[u32(1)];
let l_276 = l_275 + l_274;
a_81[u32(1)] = l_276;
let l_277 = u32(256) + l_mut_210;
let l_278 = shared_memory_82[l_277];
let l_279 = l_278 * l_266;
let l_280 = a_81[u32(2)];
let l_281 = l_280 + l_279;
a_81[u32(2)] = l_281;
let l_282 = u32(384) + l_mut_210;
let l_283 = shared_memory_82[l_282];
let l_284 = l_283 * l_266;
let l_285 = a_81[u32(3)];
let l_286 = l_285 + l_284;
a_81[u32(3)] = l_286;
let l_287 = u32(512) + l_mut_210;
let l_288 = shared_memory_82[l_287];
let l_289 = l_288 * l_266;
let l_290 = a_81[u32(4)];
let l_291 = l_290 + l_289;
a_81[u32(4)] = l_291;
l_mut_210 = l_mut_210 + u32(16);
}
}
workgroupBarrier();
l_mut_86 = l_mut_86 + u32(128);
}
shared_memory_83[local_idx] = l_mut_79;
workgroupBarrier();
let l_294 = l_76 < u32(5);
let l_295 = l_77 == u32(0);
let l_296 = l_294 && l_295;
if l_296 {
l_mut_230 = f32(0.0);

for (var l_mut_297: u32 = u32(0); l_mut_297 < u32(25); l_mut_297++) {
let l_298 = l_76 * u32(25);
let l_299 = l_298 + l_mut_297;
let l_300 = shared_memory_83[l_299];
l_mut_230 = l_mut_230 + l_300;
}
shared_memory_292[l_76] = l_mut_78;
shared_memory_293[l_76] = l_mut_230;
}
let l_301 = u32(0) + local_idx;
let l_302 = a_81[u32(0)];
shared_memory_82[l_301] = l_302;
let l_303 = u32(128) + local_idx;
let l_304 = a_81[u32(1)];
shared_memory_82[l_303] = l_304;
let l_305 = u32(256) + local_idx;
let l_306 = a_81[u32(2)];
shared_memory_82[l_305] = l_306;
let l_307 = u32(384) + local_idx;
let l_308 = a_81[u32(3)];
shared_memory_82[l_307] = l_308;
let l_309 = u32(512) + local_idx;
let l_310 = a_81[u32(4)];
shared_memory_82[l_309] = l_310;
workgroupBarrier();
let l_311 = info.scalars_u32[3] * info.scalars_u32[4];
let l_312 = local_idx + u32(0);
let l_313 = l_312 < u32(8);
if l_313 {
let l_314 = l_10 * u32(5);
let l_315 = l_314 + u32(0);
let l_316 = l_315 < l_0;
if l_316 {
let l_317 = l_315 / info.scalars_u32[4];
let l_318 = l_16 * info.scalars_u32[1];
let l_319 = l_318 + l_317;
let l_320 = l_13 * info.scalars_u32[4];
let l_321 = l_315 % info.scalars_u32[4];
let l_322 = l_320 + l_321;
let l_323 = l_21 + l_317;
let l_324 = a_81[u32(0)];
l_mut_230 = l_324;
l_mut_230 = f32(0.0);

for (var l_mut_325: u32 = u32(0); l_mut_325 < u32(16); l_mut_325++) {
let l_326 = l_mut_325 * u32(8);
let l_327 = u32(0) + l_326;
let l_328 = l_327 + l_312;
let l_329 = shared_memory_82[l_328];
l_mut_230 = l_mut_230 + l_329;
}
let l_330 = l_319 * l_311;
let l_331 = l_330 + l_322;
let l_332 = shared_memory_293[u32(0)];
l_mut_135 = f32(0.0);
l_mut_79 = f32(0.0);
let l_333 = l_332 > f32(0.0);
if l_333 {
let l_334 = f32(1.0) / l_332;
l_mut_135 = l_334;
let l_335 = shared_memory_292[u32(0)];
let l_336 = log(l_332);
let l_337 = l_335 + l_336;
l_mut_79 = l_337;
}
let l_338 = l_331 * u32(8);
let l_339 = l_338 + l_312;
let l_340 = l_mut_230 * l_mut_135;
buffer_4_global[l_339] = l_340;
let l_341 = l_312 == u32(0);
if l_341 {
let l_342 = l_16 * l_311;
let l_343 = l_342 + l_322;
let l_344 = l_343 * info.scalars_u32[1];
let l_345 = l_319 % info.scalars_u32[1];
let l_346 = l_344 + l_345;
buffer_5_global[l_346] = l_mut_79;
}
}
let l_347 = l_10 * u32(5);
let l_348 = l_347 + u32(1);
let l_349 = l_348 < l_0;
if l_349 {
let l_350 = l_348 / info.scalars_u32[4];
let l_351 = l_16 * info.scalars_u32[1];
let l_352 = l_351 + l_350;
let l_353 = l_13 * info.scalars_u32[4];
let l_354 = l_348 % info.scalars_u32[4];
let l_355 = l_353 + l_354;
let l_356 = l_21 + l_350;
let l_357 = a_81[u32(1)];
l_mut_230 = l_357;
l_mut_230 = f32(0.0);

for (var l_mut_358: u32 = u32(0); l_mut_358 < u32(16); l_mut_358++) {
let l_359 = l_mut_358 * u32(8);
let l_360 = u32(128) + l_359;
let l_361 = l_360 + l_312;
let l_362 = shared_memory_82[l_361];
l_mut_230 = l_mut_230 + l_362;
}
let l_363 = l_352 * l_311;
let l_364 = l_363 + l_355;
let l_365 = shared_memory_293[u32(1)];
l_mut_135 = f32(0.0);
l_mut_79 = f32(0.0);
let l_366 = l_365 > f32(0.0);
if l_366 {
let l_367 = f32(1.0) / l_365;
l_mut_135 = l_367;
let l_368 = shared_memory_292[u32(1)];
let l_369 = log(l_365);
let l_370 = l_368 + l_369;
l_mut_79 = l_370;
}
let l_371 = l_364 * u32(8);
let l_372 = l_371 + l_312;
let l_373 = l_mut_230 * l_mut_135;
buffer_4_global[l_372] = l_373;
let l_374 = l_312 == u32(0);
if l_374 {
let l_375 = l_16 * l_311;
let l_376 = l_375 + l_355;
let l_377 = l_376 * info.scalars_u32[1];
let l_378 = l_352 % info.scalars_u32[1];
let l_379 = l_377 + l_378;
buffer_5_global[l_379] = l_mut_79;
}
}
let l_380 = l_10 * u32(5);
let l_381 = l_380 + u32(2);
let l_382 = l_381 < l_0;
if l_382 {
let l_383 = l_381 / info.scalars_u32[4];
let l_384 = l_16 * info.scalars_u32[1];
let l_385 = l_384 + l_383;
let l_386 = l_13 * info.scalars_u32[4];
let l_387 = l_381 % info.scalars_u32[4];
let l_388 = l_386 + l_387;
let l_389 = l_21 + l_383;
let l_390 = a_81[u32(2)];
l_mut_230 = l_390;
l_mut_230 = f32(0.0);

for (var l_mut_391: u32 = u32(0); l_mut_391 < u32(16); l_mut_391++) {
let l_392 = l_mut_391 * u32(8);
let l_393 = u32(256) + l_392;
let l_394 = l_393 + l_312;
let l_395 = shared_memory_82[l_394];
l_mut_230 = l_mut_230 + l_395;
}
let l_396 = l_385 * l_311;
let l_397 = l_396 + l_388;
let l_398 = shared_memory_293[u32(2)];
l_mut_135 = f32(0.0);
l_mut_79 = f32(0.0);
let l_399 = l_398 > f32(0.0);
if l_399 {
let l_400 = f32(1.0) / l_398;
l_mut_135 = l_400;
let l_401 = shared_memory_292[u32(2)];
let l_402 = log(l_398);
let l_403 = l_401 + l_402;
l_mut_79 = l_403;
}
let l_404 = l_397 * u32(8);
let l_405 = l_404 + l_312;
let l_406 = l_mut_230 * l_mut_135;
buffer_4_global[l_405] = l_406;
let l_407 = l_312 == u32(0);
if l_407 {
let l_408 = l_16 * l_311;
let l_409 = l_408 + l_388;
let l_410 = l_409 * info.scalars_u32[1];
let l_411 = l_385 % info.scalars_u32[1];
let l_412 = l_410 + l_411;
buffer_5_global[l_412] = l_mut_79;
}
}
let l_413 = l_10 * u32(5);
let l_414 = l_413 + u32(3);
let l_415 = l_414 < l_0;
if l_415 {
let l_416 = l_414 / info.scalars_u32[4];
let l_417 = l_16 * info.scalars_u32[1];
let l_418 = l_417 + l_416;
let l_419 = l_13 * info.scalars_u32[4];
let l_420 = l_414 % info.scalars_u32[4];
let l_421 = l_419 + l_420;
let l_422 = l_21 + l_416;
let l_423 = a_81[u32(3)];
l_mut_230 = l_423;
l_mut_230 = f32(0.0);

for (var l_mut_424: u32 = u32(0); l_mut_424 < u32(16); l_mut_424++) {
let l_425 = l_mut_424 * u32(8);
let l_426 = u32(384) + l_425;
let l_427 = l_426 + l_312;
let l_428 = shared_memory_82[l_427];
l_mut_230 = l_mut_230 + l_428;
}
let l_429 = l_418 * l_311;
let l_430 = l_429 + l_421;
let l_431 = shared_memory_293[u32(3)];
l_mut_135 = f32(0.0);
l_mut_79 = f32(0.0);
let l_432 = l_431 > f32(0.0);
if l_432 {
let l_433 = f32(1.0) / l_431;
l_mut_135 = l_433;
let l_434 = shared_memory_292[u32(3)];
let l_435 = log(l_431);
let l_436 = l_434 + l_435;
l_mut_79 = l_436;
}
let l_437 = l_430 * u32(8);
let l_438 = l_437 + l_312;
let l_439 = l_mut_230 * l_mut_135;
buffer_4_global[l_438] = l_439;
let l_440 = l_312 == u32(0);
if l_440 {
let l_441 = l_16 * l_311;
let l_442 = l_441 + l_421;
let l_443 = l_442 * info.scalars_u32[1];
let l_444 = l_418 % info.scalars_u32[1];
let l_445 = l_443 + l_444;
buffer_5_global[l_445] = l_mut_79;
}
}
let l_446 = l_10 * u32(5);
let l_447 = l_446 + u32(4);
let l_448 = l_447 < l_0;
if l_448 {
let l_449 = l_447 / info.scalars_u32[4];
let l_450 = l_16 * info.scalars_u32[1];
let l_451 = l_450 + l_449;
let l_452 = l_13 * info.scalars_u32[4];
let l_453 = l_447 % info.scalars_u32[4];
let l_454 = l_452 + l_453;
let l_455 = l_21 + l_449;
let l_456 = a_81[u32(4)];
l_mut_230 = l_456;
l_mut_230 = f32(0.0);

for (var l_mut_457: u32 = u32(0); l_mut_457 < u32(16); l_mut_457++) {
let l_458 = l_mut_457 * u32(8);
let l_459 = u32(512) + l_458;
let l_460 = l_459 + l_312;
let l_461 = shared_memory_82[l_460];
l_mut_230 = l_mut_230 + l_461;
}
let l_462 = l_451 * l_311;
let l_463 = l_462 + l_454;
let l_464 = shared_memory_293[u32(4)];
l_mut_135 = f32(0.0);
l_mut_79 = f32(0.0);
let l_465 = l_464 > f32(0.0);
if l_465 {
let l_466 = f32(1.0) / l_464;
l_mut_135 = l_466;
let l_467 = shared_memory_292[u32(4)];
let l_468 = log(l_464);
let l_469 = l_467 + l_468;
l_mut_79 = l_469;
}
let l_470 = l_463 * u32(8);
let l_471 = l_470 + l_312;
let l_472 = l_mut_230 * l_mut_135;
buffer_4_global[l_471] = l_472;
let l_473 = l_312 == u32(0);
if l_473 {
let l_474 = l_16 * l_311;
let l_475 = l_474 + l_454;
let l_476 = l_475 * info.scalars_u32[1];
let l_477 = l_451 % info.scalars_u32[1];
let l_478 = l_476 + l_477;
buffer_5_global[l_478] = l_mut_79;
}
}
}
}
