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

@group(0)
@binding(4)
var<storage, read_write> buffer_4_global: array<f32>;

@group(0)
@binding(5)
var<storage, read_write> buffer_5_global: array<f32>;

@group(0)
@binding(6)
var<storage, read_write> buffer_6_global: array<f32>;

struct info_st {
   scalars_f32: array<f32, 4>,
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 32>,
   dynamic_meta: array<u32>,
}

@group(0)
@binding(7)
var<storage, read> info: info_st;

var<workgroup> shared_memory_4: array<f32, 1024>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn products(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_16: array<f32, 8>;

var a_196: array<f32, 8>;

var a_370: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_10: u32;
var l_mut_17: u32;
var l_mut_20: u32;
var l_mut_25: f32;
var l_mut_42: u32;
var l_mut_44: u32;
let l_0 = workgroup_id_no_axis / info.scalars_u32[2];
let l_1 = l_0 >= info.scalars_u32[3];
if l_1 {
return;
}
let l_2 = workgroup_id_no_axis % info.scalars_u32[2];
let l_3 = l_2 * u32(8);
let l_5 = l_0 == u32(0);
if l_5 {
let l_6 = info.dynamic_meta[info.static_meta[u32(21)] + u32(1)];
let l_7 = info.dynamic_meta[info.static_meta[u32(20)] + u32(0)];
let l_8 = info.dynamic_meta[info.static_meta[u32(20)] + u32(1)];
let l_9 = info.dynamic_meta[info.static_meta[u32(21)] + u32(1)];
l_mut_10 = u32(1);
loop {
let l_11 = l_mut_10 < l_9;
let l_12 = !l_11;
if l_12 {
break;
}
l_mut_10 = l_mut_10 * u32(2);
}
let l_13 = local_idx % l_mut_10;
let l_14 = local_idx / l_mut_10;
let l_15 = u32(128) / l_mut_10;
a_16[u32(0)] = f32(0.0);
a_16[u32(1)] = f32(0.0);
a_16[u32(2)] = f32(0.0);
a_16[u32(3)] = f32(0.0);
a_16[u32(4)] = f32(0.0);
a_16[u32(5)] = f32(0.0);
a_16[u32(6)] = f32(0.0);
a_16[u32(7)] = f32(0.0);
l_mut_17 = u32(0);
loop {
let l_18 = l_mut_17 < l_8;
let l_19 = !l_18;
if l_19 {
break;
}
l_mut_20 = local_idx;
loop {
let l_21 = l_mut_20 < u32(1024);
let l_22 = !l_21;
if l_22 {
break;
}
let l_23 = l_mut_20 / u32(128);
let l_24 = l_mut_20 % u32(128);
l_mut_25 = f32(0.0);
let l_26 = l_3 + l_23;
let l_27 = l_26 < l_7;
if l_27 {
let l_28 = l_mut_17 + l_24;
let l_29 = l_28 < l_8;
if l_29 {
let l_30 = l_3 + l_23;
let l_31 = info.dynamic_meta[info.static_meta[u32(26)] + u32(0)];
let l_32 = l_30 * l_31;
let l_33 = l_mut_17 + l_24;
let l_34 = info.dynamic_meta[info.static_meta[u32(26)] + u32(1)];
let l_35 = l_33 * l_34;
let l_36 = l_32 + l_35;
let l_37 = buffer_0_global[l_36];
l_mut_25 = l_37;
}
}
let l_38 = l_23 * u32(128);
let l_39 = l_38 + l_24;
shared_memory_4[l_39] = l_mut_25;
l_mut_20 = l_mut_20 + u32(128);
}
workgroupBarrier();
let l_40 = l_13 < l_9;
if l_40 {
let l_41 = l_8 - l_mut_17;
l_mut_42 = l_41;
let l_43 = l_mut_42 > u32(128);
if l_43 {
l_mut_42 = u32(128);
}
l_mut_44 = l_14;
loop {
let l_45 = l_mut_44 < l_mut_42;
let l_46 = !l_45;
if l_46 {
break;
}
let l_47 = l_mut_17 + l_mut_44;
let l_48 = info.dynamic_meta[info.static_meta[u32(27)] + u32(0)];
let l_49 = l_47 * l_48;
let l_50 = info.dynamic_meta[info.static_meta[u32(27)] + u32(1)];
let l_51 = l_13 * l_50;
let l_52 = l_49 + l_51;
let l_53 = buffer_1_global[l_52];
let l_54 = u32(0) + l_mut_44;
let l_55 = shared_memory_4[l_54];
let l_56 = l_55 * l_53;
let l_57 = a_16[u32(0)];
let l_58 = l_57 + l_56;
a_16[u32(0)] = l_58;
let l_59 = u32(128) + l_mut_44;
let l_60 = shared_memory_4[l_59];
let l_61 = l_60 * l_53;
let l_62 = a_16[u32(1)];
let l_63 = l_62 + l_61;
a_16[u32(1)] = l_63;
let l_64 = u32(256) + l_mut_44;
let l_65 = shared_memory_4[l_64];
let l_66 = l_65 * l_53;
let l_67 = a_16[u32(2)];
let l_68 = l_67 + l_66;
a_16[u32(2)] = l_68;
let l_69 = u32(384) + l_mut_44;
let l_70 = shared_memory_4[l_69];
let l_71 = l_70 * l_53;
let l_72 = a_16[u32(3)];
let l_73 = l_72 + l_71;
a_16[u32(3)] = l_73;
let l_74 = u32(512) + l_mut_44;
let l_75 = shared_memory_4[l_74];
let l_76 = l_75 * l_53;
let l_77 = a_16[u32(4)];
let l_78 = l_77 + l_76;
a_16[u32(4)] = l_78;
let l_79 = u32(640) + l_mut_44;
let l_80 = shared_memory_4[l_79];
let l_81 = l_80 * l_53;
let l_82 = a_16[u32(5)];
let l_83 = l_82 + l_81;
a_16[u32(5)] = l_83;
let l_84 = u32(768) + l_mut_44;
let l_85 = shared_memory_4[l_84];
let l_86 = l_85 * l_53;
let l_87 = a_16[u32(6)];
let l_88 = l_87 + l_86;
a_16[u32(6)] = l_88;
let l_89 = u32(896) + l_mut_44;
let l_90 = shared_memory_4[l_89];
let l_91 = l_90 * l_53;
let l_92 = a_16[u32(7)];
let l_93 = l_92 + l_91;
a_16[u32(7)] = l_93;
l_mut_44 = l_mut_44 + l_15;
}
}
workgroupBarrier();
l_mut_17 = l_mut_17 + u32(128);
}
let l_94 = u32(0) + local_idx;
let l_95 = a_16[u32(0)];
shared_memory_4[l_94] = l_95;
let l_96 = u32(128) + local_idx;
let l_97 = a_16[u32(1)];
shared_memory_4[l_96] = l_97;
let l_98 = u32(256) + local_idx;
let l_99 = a_16[u32(2)];
shared_memory_4[l_98] = l_99;
let l_100 = u32(384) + local_idx;
let l_101 = a_16[u32(3)];
shared_memory_4[l_100] = l_101;
let l_102 = u32(512) + local_idx;
let l_103 = a_16[u32(4)];
shared_memory_4[l_102] = l_103;
let l_104 = u32(640) + local_idx;
let l_105 = a_16[u32(5)];
shared_memory_4[l_104] = l_105;
let l_106 = u32(768) + local_idx;
let l_107 = a_16[u32(6)];
shared_memory_4[l_106] = l_107;
let l_108 = u32(896) + local_idx;
let l_109 = a_16[u32(7)];
shared_memory_4[l_108] = l_109;
workgroupBarrier();
let l_110 = l_15 / u32(2);
l_mut_44 = l_110;
loop {
let l_111 = l_mut_44 > u32(0);
let l_112 = !l_111;
if l_112 {
break;
}
let l_113 = l_14 < l_mut_44;
if l_113 {
let l_114 = u32(0) + local_idx;
let l_115 = l_mut_44 * l_mut_10;
let l_116 = l_114 + l_115;
let l_117 = shared_memory_4[l_116];
let l_118 = u32(0) + local_idx;
let l_119 = shared_memory_4[l_118];
let l_120 = l_119 + l_117;
shared_memory_4[l_118] = l_120;
let l_121 = u32(128) + local_idx;
let l_122 = l_mut_44 * l_mut_10;
let l_123 = l_121 + l_122;
let l_124 = shared_memory_4[l_123];
let l_125 = u32(128) + local_idx;
let l_126 = shared_memory_4[l_125];
let l_127 = l_126 + l_124;
shared_memory_4[l_125] = l_127;
let l_128 = u32(256) + local_idx;
let l_129 = l_mut_44 * l_mut_10;
let l_130 = l_128 + l_129;
let l_131 = shared_memory_4[l_130];
let l_132 = u32(256) + local_idx;
let l_133 = shared_memory_4[l_132];
let l_134 = l_133 + l_131;
shared_memory_4[l_132] = l_134;
let l_135 = u32(384) + local_idx;
let l_136 = l_mut_44 * l_mut_10;
let l_137 = l_135 + l_136;
let l_138 = shared_memory_4[l_137];
let l_139 = u32(384) + local_idx;
let l_140 = shared_memory_4[l_139];
let l_141 = l_140 + l_138;
shared_memory_4[l_139] = l_141;
let l_142 = u32(512) + local_idx;
let l_143 = l_mut_44 * l_mut_10;
let l_144 = l_142 + l_143;
let l_145 = shared_memory_4[l_144];
let l_146 = u32(512) + local_idx;
let l_147 = shared_memory_4[l_146];
let l_148 = l_147 + l_145;
shared_memory_4[l_146] = l_148;
let l_149 = u32(640) + local_idx;
let l_150 = l_mut_44 * l_mut_10;
let l_151 = l_149 + l_150;
let l_152 = shared_memory_4[l_151];
let l_153 = u32(640) + local_idx;
let l_154 = shared_memory_4[l_153];
let l_155 = l_154 + l_152;
shared_memory_4[l_153] = l_155;
let l_156 = u32(768) + local_idx;
let l_157 = l_mut_44 * l_mut_10;
let l_158 = l_156 + l_157;
let l_159 = shared_memory_4[l_158];
let l_160 = u32(768) + local_idx;
let l_161 = shared_memory_4[l_160];
let l_162 = l_161 + l_159;
shared_memory_4[l_160] = l_162;
let l_163 = u32(896) + local_idx;
let l_164 = l_mut_44 * l_mut_10;
let l_165 = l_163 + l_164;
let l_166 = shared_memory_4[l_165];
let l_167 = u32(896) + local_idx;
let l_168 = shared_memory_4[l_167];
let l_169 = l_168 + l_166;
shared_memory_4[l_167] = l_169;
}
workgroupBarrier();
l_mut_44 = l_mut_44 / u32(2);
}
l_mut_42 = local_idx;
loop {
let l_170 = u32(8) * l_9;
let l_171 = l_mut_42 < l_170;
let l_172 = !l_171;
if l_172 {
break;
}
let l_173 = l_mut_42 / l_9;
let l_174 = l_mut_42 % l_9;
let l_175 = l_3 + l_173;
let l_176 = l_175 < l_7;
if l_176 {
let l_177 = l_3 + l_173;
let l_178 = l_177 * l_6;
let l_179 = u32(0) + l_178;
let l_180 = l_174 * u32(1);
let l_181 = l_179 + l_180;
let l_182 = l_173 * u32(128);
let l_183 = l_182 + l_174;
let l_184 = shared_memory_4[l_183];
let l_185 = info.scalars_f32[0] * l_184;
buffer_6_global[l_181] = l_185;
}
l_mut_42 = l_mut_42 + u32(128);
}
} else {
let l_186 = l_0 == u32(1);
if l_186 {
let l_187 = info.dynamic_meta[info.static_meta[u32(23)] + u32(1)];
let l_188 = info.dynamic_meta[info.static_meta[u32(22)] + u32(0)];
let l_189 = info.dynamic_meta[info.static_meta[u32(22)] + u32(1)];
let l_190 = info.dynamic_meta[info.static_meta[u32(23)] + u32(1)];
l_mut_44 = u32(1);
loop {
let l_191 = l_mut_44 < l_190;
let l_192 = !l_191;
if l_192 {
break;
}
l_mut_44 = l_mut_44 * u32(2);
}
let l_193 = local_idx % l_mut_44;
let l_194 = local_idx / l_mut_44;
let l_195 = u32(128) / l_mut_44;
a_196[u32(0)] = f32(0.0);
a_196[u32(1)] = f32(0.0);
a_196[u32(2)] = f32(0.0);
a_196[u32(3)] = f32(0.0);
a_196[u32(4)] = f32(0.0);
a_196[u32(5)] = f32(0.0);
a_196[u32(6)] = f32(0.0);
a_196[u32(7)] = f32(0.0);
l_mut_42 = u32(0);
loop {
let l_197 = l_mut_42 < l_189;
let l_198 = !l_197;
if l_198 {
break;
}
l_mut_20 = local_idx;
loop {
let l_199 = l_mut_20 < u32(1024);
let l_200 = !l_199;
if l_200 {
break;
}
let l_201 = l_mut_20 / u32(128);
let l_202 = l_mut_20 % u32(128);
l_mut_25 = f32(0.0);
let l_203 = l_3 + l_201;
let l_204 = l_203 < l_188;
if l_204 {
let l_205 = l_mut_42 + l_202;
let l_206 = l_205 < l_189;
if l_206 {
let l_207 = l_3 + l_201;
let l_208 = info.dynamic_meta[info.static_meta[u32(28)] + u32(0)];
let l_209 = l_207 * l_208;
let l_210 = l_mut_42 + l_202;
let l_211 = info.dynamic_meta[info.static_meta[u32(28)] + u32(1)];
let l_212 = l_210 * l_211;
let l_213 = l_209 + l_212;
let l_214 = buffer_2_global[l_213];
l_mut_25 = l_214;
}
}
let l_215 = l_201 * u32(128);
let l_216 = l_215 + l_202;
shared_memory_4[l_216] = l_mut_25;
l_mut_20 = l_mut_20 + u32(128);
}
workgroupBarrier();
let l_217 = l_193 < l_190;
if l_217 {
let l_218 = l_189 - l_mut_42;
l_mut_17 = l_218;
let l_219 = l_mut_17 > u32(128);
if l_219 {
l_mut_17 = u32(128);
}
l_mut_10 = l_194;
loop {
let l_220 = l_mut_10 < l_mut_17;
let l_221 = !l_220;
if l_221 {
break;
}
let l_222 = l_mut_42 + l_mut_10;
let l_223 = info.dynamic_meta[info.static_meta[u32(29)] + u32(0)];
let l_224 = l_222 * l_223;
let l_225 = info.dynamic_meta[info.static_meta[u32(29)] + u32(1)];
let l_226 = l_193 * l_225;
let l_227 = l_224 + l_226;
let l_228 = buffer_3_global[l_227];
let l_229 = u32(0) + l_mut_10;
let l_230 = shared_memory_4[l_229];
let l_231 = l_230 * l_228;
let l_232 = a_196[u32(0)];
let l_233 = l_232 + l_231;
a_196[u32(0)] = l_233;
let l_234 = u32(128) + l_mut_10;
let l_235 = shared_memory_4[l_234];
let l_236 = l_235 * l_228;
let l_237 = a_196[u32(1)];
let l_238 = l_237 + l_236;
a_196[u32(1)] = l_238;
let l_239 = u32(256) + l_mut_10;
let l_240 = shared_memory_4[l_239];
let l_241 = l_240 * l_228;
let l_242 = a_196[u32(2)];
let l_243 = l_242 + l_241;
a_196[u32(2)] = l_243;
let l_244 = u32(384) + l_mut_10;
let l_245 = shared_memory_4[l_244];
let l_246 = l_245 * l_228;
let l_247 = a_196[u32(3)];
let l_248 = l_247 + l_246;
a_196[u32(3)] = l_248;
let l_249 = u32(512) + l_mut_10;
let l_250 = shared_memory_4[l_249];
let l_251 = l_250 * l_228;
let l_252 = a_196[u32(4)];
let l_253 = l_252 + l_251;
a_196[u32(4)] = l_253;
let l_254 = u32(640) + l_mut_10;
let l_255 = shared_memory_4[l_254];
let l_256 = l_255 * l_228;
let l_257 = a_196[u32(5)];
let l_258 = l_257 + l_256;
a_196[u32(5)] = l_258;
let l_259 = u32(768) + l_mut_10;
let l_260 = shared_memory_4[l_259];
let l_261 = l_260 * l_228;
let l_262 = a_196[u32(6)];
let l_263 = l_262 + l_261;
a_196[u32(6)] = l_263;
let l_264 = u32(896) + l_mut_10;
let l_265 = shared_memory_4[l_264];
let l_266 = l_265 * l_228;
let l_267 = a_196[u32(7)];
let l_268 = l_267 + l_266;
a_196[u32(7)] = l_268;
l_mut_10 = l_mut_10 + l_195;
}
}
workgroupBarrier();
l_mut_42 = l_mut_42 + u32(128);
}
let l_269 = u32(0) + local_idx;
let l_270 = a_196[u32(0)];
shared_memory_4[l_269] = l_270;
let l_271 = u32(128) + local_idx;
let l_272 = a_196[u32(1)];
shared_memory_4[l_271] = l_272;
let l_273 = u32(256) + local_idx;
let l_274 = a_196[u32(2)];
shared_memory_4[l_273] = l_274;
let l_275 = u32(384) + local_idx;
let l_276 = a_196[u32(3)];
shared_memory_4[l_275] = l_276;
let l_277 = u32(512) + local_idx;
let l_278 = a_196[u32(4)];
shared_memory_4[l_277] = l_278;
let l_279 = u32(640) + local_idx;
let l_280 = a_196[u32(5)];
shared_memory_4[l_279] = l_280;
let l_281 = u32(768) + local_idx;
let l_282 = a_196[u32(6)];
shared_memory_4[l_281] = l_282;
let l_283 = u32(896) + local_idx;
let l_284 = a_196[u32(7)];
shared_memory_4[l_283] = l_284;
workgroupBarrier();
let l_285 = l_195 / u32(2);
l_mut_20 = l_285;
loop {
let l_286 = l_mut_20 > u32(0);
let l_287 = !l_286;
if l_287 {
break;
}
let l_288 = l_194 < l_mut_20;
if l_288 {
let l_289 = u32(0) + local_idx;
let l_290 = l_mut_20 * l_mut_44;
let l_291 = l_289 + l_290;
let l_292 = shared_memory_4[l_291];
let l_293 = u32(0) + local_idx;
let l_294 = shared_memory_4[l_293];
let l_295 = l_294 + l_292;
shared_memory_4[l_293] = l_295;
let l_296 = u32(128) + local_idx;
let l_297 = l_mut_20 * l_mut_44;
let l_298 = l_296 + l_297;
let l_299 = shared_memory_4[l_298];
let l_300 = u32(128) + local_idx;
let l_301 = shared_memory_4[l_300];
let l_302 = l_301 + l_299;
shared_memory_4[l_300] = l_302;
let l_303 = u32(256) + local_idx;
let l_304 = l_mut_20 * l_mut_44;
let l_305 = l_303 + l_304;
let l_306 = shared_memory_4[l_305];
let l_307 = u32(256) + local_idx;
let l_308 = shared_memory_4[l_307];
let l_309 = l_308 + l_306;
shared_memory_4[l_307] = l_309;
let l_310 = u32(384) + local_idx;
let l_311 = l_mut_20 * l_mut_44;
let l_312 = l_310 + l_311;
let l_313 = shared_memory_4[l_312];
let l_314 = u32(384) + local_idx;
let l_315 = shared_memory_4[l_314];
let l_316 = l_315 + l_313;
shared_memory_4[l_314] = l_316;
let l_317 = u32(512) + local_idx;
let l_318 = l_mut_20 * l_mut_44;
let l_319 = l_317 + l_318;
let l_320 = shared_memory_4[l_319];
let l_321 = u32(512) + local_idx;
let l_322 = shared_memory_4[l_321];
let l_323 = l_322 + l_320;
shared_memory_4[l_321] = l_323;
let l_324 = u32(640) + local_idx;
let l_325 = l_mut_20 * l_mut_44;
let l_326 = l_324 + l_325;
let l_327 = shared_memory_4[l_326];
let l_328 = u32(640) + local_idx;
let l_329 = shared_memory_4[l_328];
let l_330 = l_329 + l_327;
shared_memory_4[l_328] = l_330;
let l_331 = u32(768) + local_idx;
let l_332 = l_mut_20 * l_mut_44;
let l_333 = l_331 + l_332;
let l_334 = shared_memory_4[l_333];
let l_335 = u32(768) + local_idx;
let l_336 = shared_memory_4[l_335];
let l_337 = l_336 + l_334;
shared_memory_4[l_335] = l_337;
let l_338 = u32(896) + local_idx;
let l_339 = l_mut_20 * l_mut_44;
let l_340 = l_338 + l_339;
let l_341 = shared_memory_4[l_340];
let l_342 = u32(896) + local_idx;
let l_343 = shared_memory_4[l_342];
let l_344 = l_343 + l_341;
shared_memory_4[l_342] = l_344;
}
workgroupBarrier();
l_mut_20 = l_mut_20 / u32(2);
}
l_mut_17 = local_idx;
loop {
let l_345 = u32(8) * l_190;
let l_346 = l_mut_17 < l_345;
let l_347 = !l_346;
if l_347 {
break;
}
let l_348 = l_mut_17 / l_190;
let l_349 = l_mut_17 % l_190;
let l_350 = l_3 + l_348;
let l_351 = l_350 < l_188;
if l_351 {
let l_352 = l_3 + l_348;
let l_353 = l_352 * l_187;
let l_354 = info.scalars_u32[0] + l_353;
let l_355 = l_349 * u32(1);
let l_356 = l_354 + l_355;
let l_357 = l_348 * u32(128);
let l_358 = l_357 + l_349;
let l_359 = shared_memory_4[l_358];
let l_360 = info.scalars_f32[1] * l_359;
buffer_6_global[l_356] = l_360;
}
l_mut_17 = l_mut_17 + u32(128);
}
} else {
let l_361 = info.dynamic_meta[info.static_meta[u32(25)] + u32(1)];
let l_362 = info.dynamic_meta[info.static_meta[u32(24)] + u32(0)];
let l_363 = info.dynamic_meta[info.static_meta[u32(24)] + u32(1)];
let l_364 = info.dynamic_meta[info.static_meta[u32(25)] + u32(1)];
l_mut_44 = u32(1);
loop {
let l_365 = l_mut_44 < l_364;
let l_366 = !l_365;
if l_366 {
break;
}
l_mut_44 = l_mut_44 * u32(2);
}
let l_367 = local_idx % l_mut_44;
let l_368 = local_idx / l_mut_44;
let l_369 = u32(128) / l_mut_44;
a_370[u32(0)] = f32(0.0);
a_370[u32(1)] = f32(0.0);
a_370[u32(2)] = f32(0.0);
a_370[u32(3)] = f32(0.0);
a_370[u32(4)] = f32(0.0);
a_370[u32(5)] = f32(0.0);
a_370[u32(6)] = f32(0.0);
a_370[u32(7)] = f32(0.0);
l_mut_42 = u32(0);
loop {
let l_371 = l_mut_42 < l_363;
let l_372 = !l_371;
if l_372 {
break;
}
l_mut_20 = local_idx;
loop {
let l_373 = l_mut_20 < u32(1024);
let l_374 = !l_373;
if l_374 {
break;
}
let l_375 = l_mut_20 / u32(128);
let l_376 = l_mut_20 % u32(128);
l_mut_25 = f32(0.0);
let l_377 = l_3 + l_375;
let l_378 = l_377 < l_362;
if l_378 {
let l_379 = l_mut_42 + l_376;
let l_380 = l_379 < l_363;
if l_380 {
let l_381 = l_3 + l_375;
let l_382 = info.dynamic_meta[info.static_meta[u32(30)] + u32(0)];
let l_383 = l_381 * l_382;
let l_384 = l_mut_42 + l_376;
let l_385 = info.dynamic_meta[info.static_meta[u32(30)] + u32(1)];
let l_386 = l_384 * l_385;
let l_387 = l_383 + l_386;
let l_388 = buffer_4_global[l_387];
l_mut_25 = l_388;
}
}
let l_389 = l_375 * u32(128);
let l_390 = l_389 + l_376;
shared_memory_4[l_390] = l_mut_25;
l_mut_20 = l_mut_20 + u32(128);
}
workgroupBarrier();
let l_391 = l_367 < l_364;
if l_391 {
let l_392 = l_363 - l_mut_42;
l_mut_17 = l_392;
let l_393 = l_mut_17 > u32(128);
if l_393 {
l_mut_17 = u32(128);
}
l_mut_10 = l_368;
loop {
let l_394 = l_mut_10 < l_mut_17;
let l_395 = !l_394;
if l_395 {
break;
}
let l_396 = l_mut_42 + l_mut_10;
let l_397 = info.dynamic_meta[info.static_meta[u32(31)] + u32(0)];
let l_398 = l_396 * l_397;
let l_399 = info.dynamic_meta[info.static_meta[u32(31)] + u32(1)];
let l_400 = l_367 * l_399;
let l_401 = l_398 + l_400;
let l_402 = buffer_5_global[l_401];
let l_403 = u32(0) + l_mut_10;
let l_404 = shared_memory_4[l_403];
let l_405 = l_404 * l_402;
let l_406 = a_370[u32(0)];
let l_407 = l_406 + l_405;
a_370[u32(0)] = l_407;
let l_408 = u32(128) + l_mut_10;
let l_409 = shared_memory_4[l_408];
let l_410 = l_409 * l_402;
let l_411 = a_370[u32(1)];
let l_412 = l_411 + l_410;
a_370[u32(1)] = l_412;
let l_413 = u32(256) + l_mut_10;
let l_414 = shared_memory_4[l_413];
let l_415 = l_414 * l_402;
let l_416 = a_370[u32(2)];
let l_417 = l_416 + l_415;
a_370[u32(2)] = l_417;
let l_418 = u32(384) + l_mut_10;
let l_419 = shared_memory_4[l_418];
let l_420 = l_419 * l_402;
let l_421 = a_370[u32(3)];
let l_422 = l_421 + l_420;
a_370[u32(3)] = l_422;
let l_423 = u32(512) + l_mut_10;
let l_424 = shared_memory_4[l_423];
let l_425 = l_424 * l_402;
let l_426 = a_370[u32(4)];
let l_427 = l_426 + l_425;
a_370[u32(4)] = l_427;
let l_428 = u32(640) + l_mut_10;
let l_429 = shared_memory_4[l_428];
let l_430 = l_429 * l_402;
let l_431 = a_370[u32(5)];
let l_432 = l_431 + l_430;
a_370[u32(5)] = l_432;
let l_433 = u32(768) + l_mut_10;
let l_434 = shared_memory_4[l_433];
let l_435 = l_434 * l_402;
let l_436 = a_370[u32(6)];
let l_437 = l_436 + l_435;
a_370[u32(6)] = l_437;
let l_438 = u32(896) + l_mut_10;
let l_439 = shared_memory_4[l_438];
let l_440 = l_439 * l_402;
let l_441 = a_370[u32(7)];
let l_442 = l_441 + l_440;
a_370[u32(7)] = l_442;
l_mut_10 = l_mut_10 + l_369;
}
}
workgroupBarrier();
l_mut_42 = l_mut_42 + u32(128);
}
let l_443 = u32(0) + local_idx;
let l_444 = a_370[u32(0)];
shared_memory_4[l_443] = l_444;
let l_445 = u32(128) + local_idx;
let l_446 = a_370[u32(1)];
shared_memory_4[l_445] = l_446;
let l_447 = u32(256) + local_idx;
let l_448 = a_370[u32(2)];
shared_memory_4[l_447] = l_448;
let l_449 = u32(384) + local_idx;
let l_450 = a_370[u32(3)];
shared_memory_4[l_449] = l_450;
let l_451 = u32(512) + local_idx;
let l_452 = a_370[u32(4)];
shared_memory_4[l_451] = l_452;
let l_453 = u32(640) + local_idx;
let l_454 = a_370[u32(5)];
shared_memory_4[l_453] = l_454;
let l_455 = u32(768) + local_idx;
let l_456 = a_370[u32(6)];
shared_memory_4[l_455] = l_456;
let l_457 = u32(896) + local_idx;
let l_458 = a_370[u32(7)];
shared_memory_4[l_457] = l_458;
workgroupBarrier();
let l_459 = l_369 / u32(2);
l_mut_20 = l_459;
loop {
let l_460 = l_mut_20 > u32(0);
let l_461 = !l_460;
if l_461 {
break;
}
let l_462 = l_368 < l_mut_20;
if l_462 {
let l_463 = u32(0) + local_idx;
let l_464 = l_mut_20 * l_mut_44;
let l_465 = l_463 + l_464;
let l_466 = shared_memory_4[l_465];
let l_467 = u32(0) + local_idx;
let l_468 = shared_memory_4[l_467];
let l_469 = l_468 + l_466;
shared_memory_4[l_467] = l_469;
let l_470 = u32(128) + local_idx;
let l_471 = l_mut_20 * l_mut_44;
let l_472 = l_470 + l_471;
let l_473 = shared_memory_4[l_472];
let l_474 = u32(128) + local_idx;
let l_475 = shared_memory_4[l_474];
let l_476 = l_475 + l_473;
shared_memory_4[l_474] = l_476;
let l_477 = u32(256) + local_idx;
let l_478 = l_mut_20 * l_mut_44;
let l_479 = l_477 + l_478;
let l_480 = shared_memory_4[l_479];
let l_481 = u32(256) + local_idx;
let l_482 = shared_memory_4[l_481];
let l_483 = l_482 + l_480;
shared_memory_4[l_481] = l_483;
let l_484 = u32(384) + local_idx;
let l_485 = l_mut_20 * l_mut_44;
let l_486 = l_484 + l_485;
let l_487 = shared_memory_4[l_486];
let l_488 = u32(384) + local_idx;
let l_489 = shared_memory_4[l_488];
let l_490 = l_489 + l_487;
shared_memory_4[l_488] = l_490;
let l_491 = u32(512) + local_idx;
let l_492 = l_mut_20 * l_mut_44;
let l_493 = l_491 + l_492;
let l_494 = shared_memory_4[l_493];
let l_495 = u32(512) + local_idx;
let l_496 = shared_memory_4[l_495];
let l_497 = l_496 + l_494;
shared_memory_4[l_495] = l_497;
let l_498 = u32(640) + local_idx;
let l_499 = l_mut_20 * l_mut_44;
let l_500 = l_498 + l_499;
let l_501 = shared_memory_4[l_500];
let l_502 = u32(640) + local_idx;
let l_503 = shared_memory_4[l_502];
let l_504 = l_503 + l_501;
shared_memory_4[l_502] = l_504;
let l_505 = u32(768) + local_idx;
let l_506 = l_mut_20 * l_mut_44;
let l_507 = l_505 + l_506;
let l_508 = shared_memory_4[l_507];
let l_509 = u32(768) + local_idx;
let l_510 = shared_memory_4[l_509];
let l_511 = l_510 + l_508;
shared_memory_4[l_509] = l_511;
let l_512 = u32(896) + local_idx;
let l_513 = l_mut_20 * l_mut_44;
let l_514 = l_512 + l_513;
let l_515 = shared_memory_4[l_514];
let l_516 = u32(896) + local_idx;
let l_517 = shared_memory_4[l_516];
let l_518 = l_517 + l_515;
shared_memory_4[l_516] = l_518;
}
workgroupBarrier();
l_mut_20 = l_mut_20 / u32(2);
}
l_mut_17 = local_idx;
loop {
let l_519 = u32(8) * l_364;
let l_520 = l_mut_17 < l_519;
let l_521 = !l_520;
if l_521 {
break;
}
let l_522 = l_mut_17 / l_364;
let l_523 = l_mut_17 % l_364;
let l_524 = l_3 + l_522;
let l_525 = l_524 < l_362;
if l_525 {
let l_526 = l_3 + l_522;
let l_527 = l_526 * l_361;
let l_528 = info.scalars_u32[1] + l_527;
let l_529 = l_523 * u32(1);
let l_530 = l_528 + l_529;
let l_531 = l_522 * u32(128);
let l_532 = l_531 + l_523;
let l_533 = shared_memory_4[l_532];
let l_534 = info.scalars_f32[2] * l_533;
buffer_6_global[l_530] = l_534;
}
l_mut_17 = l_mut_17 + u32(128);
}
}
}
}
