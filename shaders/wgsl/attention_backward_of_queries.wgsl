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

struct info_st {
   scalars_f32: array<f32, 2>,
   scalars_u32: array<u32, 6>,
   static_meta: array<u32, 12>,
}

@group(0)
@binding(6)
var<storage, read> info: info_st;

var<workgroup> shared_memory_46: array<f32, 2112>;

var<workgroup> shared_memory_47: array<f32, 1056>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn of_queries(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_50: array<f32, 4>;

var a_51: array<f32, 4>;

var a_112: array<f32, 4>;

var a_116: array<f32, 8>;

var a_117: array<f32, 8>;

var a_208: array<f32, 2>;

var a_360: array<f32, 2>;

var a_662: array<f32, 1>;

var a_703: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_113: u32;
var l_mut_124: f32;
let l_0 = info.scalars_u32[1] * info.scalars_u32[2];
let l_1 = l_0 * info.scalars_u32[4];
let l_2 = l_1 * u32(3);
let l_3 = info.scalars_u32[2] * u32(3);
let l_4 = l_3 + u32(32);
let l_5 = l_4 - u32(1);
let l_6 = l_5 / u32(32);
let l_7 = u32(2) * l_2;
let l_8 = info.scalars_u32[0] + workgroup_id_no_axis;
let l_9 = l_6 * info.scalars_u32[4];
let l_10 = l_8 / l_9;
let l_11 = l_8 / l_6;
let l_12 = l_11 % info.scalars_u32[4];
let l_13 = l_10 % info.scalars_u32[1];
let l_14 = l_7 + l_13;
let l_15 = buffer_4_global[l_14];
let l_16 = u32(l_15);
let l_17 = info.scalars_u32[1] + l_14;
let l_18 = buffer_4_global[l_17];
let l_19 = u32(l_18);
let l_20 = l_8 % l_6;
let l_21 = l_10 >= info.scalars_u32[1];
if l_21 {
return;
}
let l_22 = info.scalars_u32[4] * u32(3);
let l_23 = l_22 * u32(8);
let l_24 = l_10 * info.scalars_u32[2];
let l_25 = l_24 * l_23;
let l_26 = l_12 * u32(3);
let l_27 = l_26 * u32(8);
let l_28 = l_25 + l_27;
let l_29 = info.scalars_u32[2] * u32(3);
let l_30 = l_6 - u32(1);
let l_31 = l_30 - l_20;
let l_32 = l_31 * u32(32);
let l_33 = l_29 - u32(1);
let l_34 = l_32 + u32(32);
let l_35 = l_34 - u32(1);
let l_36 = min(l_35, l_33);
let l_37 = l_36 / u32(3);
let l_38 = l_19 + l_37;
let l_39 = l_38 + u32(1);
let l_40 = min(l_39, info.scalars_u32[3]);
let l_41 = info.scalars_u32[4] * u32(8);
let l_42 = l_10 * info.scalars_u32[3];
let l_43 = l_42 * l_41;
let l_44 = l_12 * u32(8);
let l_45 = l_43 + l_44;
let l_48 = local_idx % u32(16);
let l_49 = local_idx / u32(16);
a_50[u32(0)] = f32(0.0);
a_50[u32(1)] = f32(0.0);
a_50[u32(2)] = f32(0.0);
a_50[u32(3)] = f32(0.0);
a_51[u32(0)] = f32(0.0);
a_51[u32(1)] = f32(0.0);
a_51[u32(2)] = f32(0.0);
a_51[u32(3)] = f32(0.0);
let l_52 = l_49 * u32(4);
let l_53 = l_32 + l_52;
let l_54 = l_53 + u32(0);
let l_55 = l_54 < l_29;
if l_55 {
let l_56 = l_10 * info.scalars_u32[4];
let l_57 = l_56 + l_12;
let l_58 = l_57 * u32(3);
let l_59 = l_54 % u32(3);
let l_60 = l_58 + l_59;
let l_61 = l_60 * info.scalars_u32[2];
let l_62 = l_54 / u32(3);
let l_63 = l_61 + l_62;
let l_64 = buffer_4_global[l_63];
a_50[u32(0)] = l_64;
let l_65 = l_2 + l_63;
let l_66 = buffer_4_global[l_65];
a_51[u32(0)] = l_66;
}
let l_67 = l_49 * u32(4);
let l_68 = l_32 + l_67;
let l_69 = l_68 + u32(1);
let l_70 = l_69 < l_29;
if l_70 {
let l_71 = l_10 * info.scalars_u32[4];
let l_72 = l_71 + l_12;
let l_73 = l_72 * u32(3);
let l_74 = l_69 % u32(3);
let l_75 = l_73 + l_74;
let l_76 = l_75 * info.scalars_u32[2];
let l_77 = l_69 / u32(3);
let l_78 = l_76 + l_77;
let l_79 = buffer_4_global[l_78];
a_50[u32(1)] = l_79;
let l_80 = l_2 + l_78;
let l_81 = buffer_4_global[l_80];
a_51[u32(1)] = l_81;
}
let l_82 = l_49 * u32(4);
let l_83 = l_32 + l_82;
let l_84 = l_83 + u32(2);
let l_85 = l_84 < l_29;
if l_85 {
let l_86 = l_10 * info.scalars_u32[4];
let l_87 = l_86 + l_12;
let l_88 = l_87 * u32(3);
let l_89 = l_84 % u32(3);
let l_90 = l_88 + l_89;
let l_91 = l_90 * info.scalars_u32[2];
let l_92 = l_84 / u32(3);
let l_93 = l_91 + l_92;
let l_94 = buffer_4_global[l_93];
a_50[u32(2)] = l_94;
let l_95 = l_2 + l_93;
let l_96 = buffer_4_global[l_95];
a_51[u32(2)] = l_96;
}
let l_97 = l_49 * u32(4);
let l_98 = l_32 + l_97;
let l_99 = l_98 + u32(3);
let l_100 = l_99 < l_29;
if l_100 {
let l_101 = l_10 * info.scalars_u32[4];
let l_102 = l_101 + l_12;
let l_103 = l_102 * u32(3);
let l_104 = l_99 % u32(3);
let l_105 = l_103 + l_104;
let l_106 = l_105 * info.scalars_u32[2];
let l_107 = l_99 / u32(3);
let l_108 = l_106 + l_107;
let l_109 = buffer_4_global[l_108];
a_50[u32(3)] = l_109;
let l_110 = l_2 + l_108;
let l_111 = buffer_4_global[l_110];
a_51[u32(3)] = l_111;
}
a_112[u32(0)] = f32(0.0);
a_112[u32(1)] = f32(0.0);
a_112[u32(2)] = f32(0.0);
a_112[u32(3)] = f32(0.0);
l_mut_113 = l_16;
loop {
let l_114 = l_mut_113 < l_40;
let l_115 = !l_114;
if l_115 {
break;
}
a_116[u32(0)] = f32(0.0);
a_116[u32(1)] = f32(0.0);
a_116[u32(2)] = f32(0.0);
a_116[u32(3)] = f32(0.0);
a_116[u32(4)] = f32(0.0);
a_116[u32(5)] = f32(0.0);
a_116[u32(6)] = f32(0.0);
a_116[u32(7)] = f32(0.0);
a_117[u32(0)] = f32(0.0);
a_117[u32(1)] = f32(0.0);
a_117[u32(2)] = f32(0.0);
a_117[u32(3)] = f32(0.0);
a_117[u32(4)] = f32(0.0);
a_117[u32(5)] = f32(0.0);
a_117[u32(6)] = f32(0.0);
a_117[u32(7)] = f32(0.0);
let l_118 = local_idx % u32(16);
let l_119 = local_idx / u32(16);
workgroupBarrier();
let l_120 = u32(0) * u32(8);
let l_121 = local_idx + u32(0);
let l_122 = l_121 / u32(8);
let l_123 = l_121 % u32(8);
l_mut_124 = f32(0.0);
let l_125 = l_32 + l_122;
let l_126 = l_125 < l_29;
let l_127 = l_120 + l_123;
let l_128 = l_127 < u32(8);
let l_129 = l_126 && l_128;
if l_129 {
let l_130 = l_32 + l_122;
let l_131 = l_130 / u32(3);
let l_132 = l_131 * l_23;
let l_133 = l_28 + l_132;
let l_134 = l_130 % u32(3);
let l_135 = l_134 * u32(8);
let l_136 = l_133 + l_135;
let l_137 = l_136 + l_120;
let l_138 = l_137 + l_123;
let l_139 = buffer_1_global[l_138];
l_mut_124 = l_139;
}
let l_140 = l_123 * u32(33);
let l_141 = u32(0) + l_140;
let l_142 = l_141 + l_122;
shared_memory_46[l_142] = l_mut_124;
let l_143 = local_idx + u32(128);
let l_144 = l_143 / u32(8);
let l_145 = l_143 % u32(8);
l_mut_124 = f32(0.0);
let l_146 = l_32 + l_144;
let l_147 = l_146 < l_29;
let l_148 = l_120 + l_145;
let l_149 = l_148 < u32(8);
let l_150 = l_147 && l_149;
if l_150 {
let l_151 = l_32 + l_144;
let l_152 = l_151 / u32(3);
let l_153 = l_152 * l_23;
let l_154 = l_28 + l_153;
let l_155 = l_151 % u32(3);
let l_156 = l_155 * u32(8);
let l_157 = l_154 + l_156;
let l_158 = l_157 + l_120;
let l_159 = l_158 + l_145;
let l_160 = buffer_1_global[l_159];
l_mut_124 = l_160;
}
let l_161 = l_145 * u32(33);
let l_162 = u32(0) + l_161;
let l_163 = l_162 + l_144;
shared_memory_46[l_163] = l_mut_124;
let l_164 = u32(0) * u32(8);
let l_165 = local_idx + u32(0);
let l_166 = l_165 / u32(8);
let l_167 = l_165 % u32(8);
l_mut_124 = f32(0.0);
let l_168 = l_mut_113 + l_166;
let l_169 = l_168 < l_40;
let l_170 = l_164 + l_167;
let l_171 = l_170 < u32(8);
let l_172 = l_169 && l_171;
if l_172 {
let l_173 = l_mut_113 + l_166;
let l_174 = l_173 / u32(1);
let l_175 = l_174 * l_41;
let l_176 = l_45 + l_175;
let l_177 = l_173 % u32(1);
let l_178 = l_177 * u32(8);
let l_179 = l_176 + l_178;
let l_180 = l_179 + l_164;
let l_181 = l_180 + l_167;
let l_182 = buffer_2_global[l_181];
l_mut_124 = l_182;
}
let l_183 = l_167 * u32(33);
let l_184 = u32(1056) + l_183;
let l_185 = l_184 + l_166;
shared_memory_46[l_185] = l_mut_124;
let l_186 = local_idx + u32(128);
let l_187 = l_186 / u32(8);
let l_188 = l_186 % u32(8);
l_mut_124 = f32(0.0);
let l_189 = l_mut_113 + l_187;
let l_190 = l_189 < l_40;
let l_191 = l_164 + l_188;
let l_192 = l_191 < u32(8);
let l_193 = l_190 && l_192;
if l_193 {
let l_194 = l_mut_113 + l_187;
let l_195 = l_194 / u32(1);
let l_196 = l_195 * l_41;
let l_197 = l_45 + l_196;
let l_198 = l_194 % u32(1);
let l_199 = l_198 * u32(8);
let l_200 = l_197 + l_199;
let l_201 = l_200 + l_164;
let l_202 = l_201 + l_188;
let l_203 = buffer_2_global[l_202];
l_mut_124 = l_203;
}
let l_204 = l_188 * u32(33);
let l_205 = u32(1056) + l_204;
let l_206 = l_205 + l_187;
shared_memory_46[l_206] = l_mut_124;
workgroupBarrier();

for (var l_mut_207: u32 = u32(0); l_mut_207 < u32(8); l_mut_207++) {
let l_209 = l_mut_207 * u32(33);
let l_210 = u32(1056) + l_209;
let l_211 = l_210 + u32(0);
let l_212 = l_211 + l_118;
let l_213 = shared_memory_46[l_212];
a_208[u32(0)] = l_213;
let l_214 = l_mut_207 * u32(33);
let l_215 = u32(1056) + l_214;
let l_216 = l_215 + u32(16);
let l_217 = l_216 + l_118;
let l_218 = shared_memory_46[l_217];
a_208[u32(1)] = l_218;
let l_219 = l_mut_207 * u32(33);
let l_220 = l_119 * u32(4);
let l_221 = l_219 + l_220;
let l_222 = l_221 + u32(0);
let l_223 = shared_memory_46[l_222];
let l_224 = a_208[u32(0)];
let l_225 = l_223 * l_224;
let l_226 = a_116[u32(0)];
let l_227 = l_226 + l_225;
a_116[u32(0)] = l_227;
let l_228 = a_208[u32(1)];
let l_229 = l_223 * l_228;
let l_230 = a_116[u32(1)];
let l_231 = l_230 + l_229;
a_116[u32(1)] = l_231;
let l_232 = l_mut_207 * u32(33);
let l_233 = l_119 * u32(4);
let l_234 = l_232 + l_233;
let l_235 = l_234 + u32(1);
let l_236 = shared_memory_46[l_235];
let l_237 = a_208[u32(0)];
let l_238 = l_236 * l_237;
let l_239 = a_116[u32(2)];
let l_240 = l_239 + l_238;
a_116[u32(2)] = l_240;
let l_241 = a_208[u32(1)];
let l_242 = l_236 * l_241;
let l_243 = a_116[u32(3)];
let l_244 = l_243 + l_242;
a_116[u32(3)] = l_244;
let l_245 = l_mut_207 * u32(33);
let l_246 = l_119 * u32(4);
let l_247 = l_245 + l_246;
let l_248 = l_247 + u32(2);
let l_249 = shared_memory_46[l_248];
let l_250 = a_208[u32(0)];
let l_251 = l_249 * l_250;
let l_252 = a_116[u32(4)];
let l_253 = l_252 + l_251;
a_116[u32(4)] = l_253;
let l_254 = a_208[u32(1)];
let l_255 = l_249 * l_254;
let l_256 = a_116[u32(5)];
let l_257 = l_256 + l_255;
a_116[u32(5)] = l_257;
let l_258 = l_mut_207 * u32(33);
let l_259 = l_119 * u32(4);
let l_260 = l_258 + l_259;
let l_261 = l_260 + u32(3);
let l_262 = shared_memory_46[l_261];
let l_263 = a_208[u32(0)];
let l_264 = l_262 * l_263;
let l_265 = a_116[u32(6)];
let l_266 = l_265 + l_264;
a_116[u32(6)] = l_266;
let l_267 = a_208[u32(1)];
let l_268 = l_262 * l_267;
let l_269 = a_116[u32(7)];
let l_270 = l_269 + l_268;
a_116[u32(7)] = l_270;
}
let l_271 = local_idx % u32(16);
let l_272 = local_idx / u32(16);
workgroupBarrier();
let l_273 = u32(0) * u32(8);
let l_274 = local_idx + u32(0);
let l_275 = l_274 / u32(8);
let l_276 = l_274 % u32(8);
l_mut_124 = f32(0.0);
let l_277 = l_32 + l_275;
let l_278 = l_277 < l_29;
let l_279 = l_273 + l_276;
let l_280 = l_279 < u32(8);
let l_281 = l_278 && l_280;
if l_281 {
let l_282 = l_32 + l_275;
let l_283 = l_282 / u32(3);
let l_284 = l_283 * l_23;
let l_285 = l_28 + l_284;
let l_286 = l_282 % u32(3);
let l_287 = l_286 * u32(8);
let l_288 = l_285 + l_287;
let l_289 = l_288 + l_273;
let l_290 = l_289 + l_276;
let l_291 = buffer_0_global[l_290];
l_mut_124 = l_291;
}
let l_292 = l_276 * u32(33);
let l_293 = u32(0) + l_292;
let l_294 = l_293 + l_275;
shared_memory_46[l_294] = l_mut_124;
let l_295 = local_idx + u32(128);
let l_296 = l_295 / u32(8);
let l_297 = l_295 % u32(8);
l_mut_124 = f32(0.0);
let l_298 = l_32 + l_296;
let l_299 = l_298 < l_29;
let l_300 = l_273 + l_297;
let l_301 = l_300 < u32(8);
let l_302 = l_299 && l_301;
if l_302 {
let l_303 = l_32 + l_296;
let l_304 = l_303 / u32(3);
let l_305 = l_304 * l_23;
let l_306 = l_28 + l_305;
let l_307 = l_303 % u32(3);
let l_308 = l_307 * u32(8);
let l_309 = l_306 + l_308;
let l_310 = l_309 + l_273;
let l_311 = l_310 + l_297;
let l_312 = buffer_0_global[l_311];
l_mut_124 = l_312;
}
let l_313 = l_297 * u32(33);
let l_314 = u32(0) + l_313;
let l_315 = l_314 + l_296;
shared_memory_46[l_315] = l_mut_124;
let l_316 = u32(0) * u32(8);
let l_317 = local_idx + u32(0);
let l_318 = l_317 / u32(8);
let l_319 = l_317 % u32(8);
l_mut_124 = f32(0.0);
let l_320 = l_mut_113 + l_318;
let l_321 = l_320 < l_40;
let l_322 = l_316 + l_319;
let l_323 = l_322 < u32(8);
let l_324 = l_321 && l_323;
if l_324 {
let l_325 = l_mut_113 + l_318;
let l_326 = l_325 / u32(1);
let l_327 = l_326 * l_41;
let l_328 = l_45 + l_327;
let l_329 = l_325 % u32(1);
let l_330 = l_329 * u32(8);
let l_331 = l_328 + l_330;
let l_332 = l_331 + l_316;
let l_333 = l_332 + l_319;
let l_334 = buffer_3_global[l_333];
l_mut_124 = l_334;
}
let l_335 = l_319 * u32(33);
let l_336 = u32(1056) + l_335;
let l_337 = l_336 + l_318;
shared_memory_46[l_337] = l_mut_124;
let l_338 = local_idx + u32(128);
let l_339 = l_338 / u32(8);
let l_340 = l_338 % u32(8);
l_mut_124 = f32(0.0);
let l_341 = l_mut_113 + l_339;
let l_342 = l_341 < l_40;
let l_343 = l_316 + l_340;
let l_344 = l_343 < u32(8);
let l_345 = l_342 && l_344;
if l_345 {
let l_346 = l_mut_113 + l_339;
let l_347 = l_346 / u32(1);
let l_348 = l_347 * l_41;
let l_349 = l_45 + l_348;
let l_350 = l_346 % u32(1);
let l_351 = l_350 * u32(8);
let l_352 = l_349 + l_351;
let l_353 = l_352 + l_316;
let l_354 = l_353 + l_340;
let l_355 = buffer_3_global[l_354];
l_mut_124 = l_355;
}
let l_356 = l_340 * u32(33);
let l_357 = u32(1056) + l_356;
let l_358 = l_357 + l_339;
shared_memory_46[l_358] = l_mut_124;
workgroupBarrier();

for (var l_mut_359: u32 = u32(0); l_mut_359 < u32(8); l_mut_359++) {
let l_361 = l_mut_359 * u32(33);
let l_362 = u32(1056) + l_361;
let l_363 = l_362 + u32(0);
let l_364 = l_363 + l_271;
let l_365 = shared_memory_46[l_364];
a_360[u32(0)] = l_365;
let l_366 = l_mut_359 * u32(33);
let l_367 = u32(1056) + l_366;
let l_368 = l_367 + u32(16);
let l_369 = l_368 + l_271;
let l_370 = shared_memory_46[l_369];
a_360[u32(1)] = l_370;
let l_371 = l_mut_359 * u32(33);
let l_372 = l_272 * u32(4);
let l_373 = l_371 + l_372;
let l_374 = l_373 + u32(0);
let l_375 = shared_memory_46[l_374];
let l_376 = a_360[u32(0)];
let l_377 = l_375 * l_376;
let l_378 = a_117[u32(0)];
let l_379 = l_378 + l_377;
a_117[u32(0)] = l_379;
let l_380 = a_360[u32(1)];
let l_381 = l_375 * l_380;
let l_382 = a_117[u32(1)];
let l_383 = l_382 + l_381;
a_117[u32(1)] = l_383;
let l_384 = l_mut_359 * u32(33);
let l_385 = l_272 * u32(4);
let l_386 = l_384 + l_385;
let l_387 = l_386 + u32(1);
let l_388 = shared_memory_46[l_387];
let l_389 = a_360[u32(0)];
let l_390 = l_388 * l_389;
let l_391 = a_117[u32(2)];
let l_392 = l_391 + l_390;
a_117[u32(2)] = l_392;
let l_393 = a_360[u32(1)];
let l_394 = l_388 * l_393;
let l_395 = a_117[u32(3)];
let l_396 = l_395 + l_394;
a_117[u32(3)] = l_396;
let l_397 = l_mut_359 * u32(33);
let l_398 = l_272 * u32(4);
let l_399 = l_397 + l_398;
let l_400 = l_399 + u32(2);
let l_401 = shared_memory_46[l_400];
let l_402 = a_360[u32(0)];
let l_403 = l_401 * l_402;
let l_404 = a_117[u32(4)];
let l_405 = l_404 + l_403;
a_117[u32(4)] = l_405;
let l_406 = a_360[u32(1)];
let l_407 = l_401 * l_406;
let l_408 = a_117[u32(5)];
let l_409 = l_408 + l_407;
a_117[u32(5)] = l_409;
let l_410 = l_mut_359 * u32(33);
let l_411 = l_272 * u32(4);
let l_412 = l_410 + l_411;
let l_413 = l_412 + u32(3);
let l_414 = shared_memory_46[l_413];
let l_415 = a_360[u32(0)];
let l_416 = l_414 * l_415;
let l_417 = a_117[u32(6)];
let l_418 = l_417 + l_416;
a_117[u32(6)] = l_418;
let l_419 = a_360[u32(1)];
let l_420 = l_414 * l_419;
let l_421 = a_117[u32(7)];
let l_422 = l_421 + l_420;
a_117[u32(7)] = l_422;
}
let l_423 = l_49 * u32(4);
let l_424 = l_423 + u32(0);
let l_425 = l_32 + l_424;
let l_426 = l_425 / u32(3);
let l_427 = l_19 + l_426;
let l_428 = u32(0) + l_48;
l_mut_124 = f32(0.0);
let l_429 = l_mut_113 + l_428;
let l_430 = l_429 <= l_427;
let l_431 = l_32 + l_424;
let l_432 = l_431 < l_29;
let l_433 = l_430 && l_432;
if l_433 {
let l_434 = a_116[u32(0)];
let l_435 = l_434 * info.scalars_f32[0];
let l_436 = a_50[u32(0)];
let l_437 = l_435 - l_436;
let l_438 = exp(l_437);
let l_439 = a_117[u32(0)];
let l_440 = a_51[u32(0)];
let l_441 = l_439 - l_440;
let l_442 = l_438 * l_441;
let l_443 = l_442 * info.scalars_f32[0];
l_mut_124 = l_443;
}
let l_444 = l_424 * u32(33);
let l_445 = l_444 + l_428;
shared_memory_47[l_445] = l_mut_124;
let l_446 = u32(16) + l_48;
l_mut_124 = f32(0.0);
let l_447 = l_mut_113 + l_446;
let l_448 = l_447 <= l_427;
let l_449 = l_32 + l_424;
let l_450 = l_449 < l_29;
let l_451 = l_448 && l_450;
if l_451 {
let l_452 = a_116[u32(1)];
let l_453 = l_452 * info.scalars_f32[0];
let l_454 = a_50[u32(0)];
let l_455 = l_453 - l_454;
let l_456 = exp(l_455);
let l_457 = a_117[u32(1)];
let l_458 = a_51[u32(0)];
let l_459 = l_457 - l_458;
let l_460 = l_456 * l_459;
let l_461 = l_460 * info.scalars_f32[0];
l_mut_124 = l_461;
}
let l_462 = l_424 * u32(33);
let l_463 = l_462 + l_446;
shared_memory_47[l_463] = l_mut_124;
let l_464 = l_49 * u32(4);
let l_465 = l_464 + u32(1);
let l_466 = l_32 + l_465;
let l_467 = l_466 / u32(3);
let l_468 = l_19 + l_467;
let l_469 = u32(0) + l_48;
l_mut_124 = f32(0.0);
let l_470 = l_mut_113 + l_469;
let l_471 = l_470 <= l_468;
let l_472 = l_32 + l_465;
let l_473 = l_472 < l_29;
let l_474 = l_471 && l_473;
if l_474 {
let l_475 = a_116[u32(2)];
let l_476 = l_475 * info.scalars_f32[0];
let l_477 = a_50[u32(1)];
let l_478 = l_476 - l_477;
let l_479 = exp(l_478);
let l_480 = a_117[u32(2)];
let l_481 = a_51[u32(1)];
let l_482 = l_480 - l_481;
let l_483 = l_479 * l_482;
let l_484 = l_483 * info.scalars_f32[0];
l_mut_124 = l_484;
}
let l_485 = l_465 * u32(33);
let l_486 = l_485 + l_469;
shared_memory_47[l_486] = l_mut_124;
let l_487 = u32(16) + l_48;
l_mut_124 = f32(0.0);
let l_488 = l_mut_113 + l_487;
let l_489 = l_488 <= l_468;
let l_490 = l_32 + l_465;
let l_491 = l_490 < l_29;
let l_492 = l_489 && l_491;
if l_492 {
let l_493 = a_116[u32(3)];
let l_494 = l_493 * info.scalars_f32[0];
let l_495 = a_50[u32(1)];
let l_496 = l_494 - l_495;
let l_497 = exp(l_496);
let l_498 = a_117[u32(3)];
let l_499 = a_51[u32(1)];
let l_500 = l_498 - l_499;
let l_501 = l_497 * l_500;
let l_502 = l_501 * info.scalars_f32[0];
l_mut_124 = l_502;
}
let l_503 = l_465 * u32(33);
let l_504 = l_503 + l_487;
shared_memory_47[l_504] = l_mut_124;
let l_505 = l_49 * u32(4);
let l_506 = l_505 + u32(2);
let l_507 = l_32 + l_506;
let l_508 = l_507 / u32(3);
let l_509 = l_19 + l_508;
let l_510 = u32(0) + l_48;
l_mut_124 = f32(0.0);
let l_511 = l_mut_113 + l_510;
let l_512 = l_511 <= l_509;
let l_513 = l_32 + l_506;
let l_514 = l_513 < l_29;
let l_515 = l_512 && l_514;
if l_515 {
let l_516 = a_116[u32(4)];
let l_517 = l_516 * info.scalars_f32[0];
let l_518 = a_50[u32(2)];
let l_519 = l_517 - l_518;
let l_520 = exp(l_519);
let l_521 = a_117[u32(4)];
let l_522 = a_51[u32(2)];
let l_523 = l_521 - l_522;
let l_524 = l_520 * l_523;
let l_525 = l_524 * info.scalars_f32[0];
l_mut_124 = l_525;
}
let l_526 = l_506 * u32(33);
let l_527 = l_526 + l_510;
shared_memory_47[l_527] = l_mut_124;
let l_528 = u32(16) + l_48;
l_mut_124 = f32(0.0);
let l_529 = l_mut_113 + l_528;
let l_530 = l_529 <= l_509;
let l_531 = l_32 + l_506;
let l_532 = l_531 < l_29;
let l_533 = l_530 && l_532;
if l_533 {
let l_534 = a_116[u32(5)];
let l_535 = l_534 * info.scalars_f32[0];
let l_536 = a_50[u32(2)];
let l_537 = l_535 - l_536;
let l_538 = exp(l_537);
let l_539 = a_117[u32(5)];
let l_540 = a_51[u32(2)];
let l_541 = l_539 - l_540;
let l_542 = l_538 * l_541;
let l_543 = l_542 * info.scalars_f32[0];
l_mut_124 = l_543;
}
let l_544 = l_506 * u32(33);
let l_545 = l_544 + l_528;
shared_memory_47[l_545] = l_mut_124;
let l_546 = l_49 * u32(4);
let l_547 = l_546 + u32(3);
let l_548 = l_32 + l_547;
let l_549 = l_548 / u32(3);
let l_550 = l_19 + l_549;
let l_551 = u32(0) + l_48;
l_mut_124 = f32(0.0);
let l_552 = l_mut_113 + l_551;
let l_553 = l_552 <= l_550;
let l_554 = l_32 + l_547;
let l_555 = l_554 < l_29;
let l_556 = l_553 && l_555;
if l_556 {
let l_557 = a_116[u32(6)];
let l_558 = l_557 * info.scalars_f32[0];
let l_559 = a_50[u32(3)];
let l_560 = l_558 - l_559;
let l_561 = exp(l_560);
let l_562 = a_117[u32(6)];
let l_563 = a_51[u32(3)];
let l_564 = l_562 - l_563;
let l_565 = l_561 * l_564;
let l_566 = l_565 * info.scalars_f32[0];
l_mut_124 = l_566;
}
let l_567 = l_547 * u32(33);
let l_568 = l_567 + l_551;
shared_memory_47[l_568] = l_mut_124;
let l_569 = u32(16) + l_48;
l_mut_124 = f32(0.0);
let l_570 = l_mut_113 + l_569;
let l_571 = l_570 <= l_550;
let l_572 = l_32 + l_547;
let l_573 = l_572 < l_29;
let l_574 = l_571 && l_573;
if l_574 {
let l_575 = a_116[u32(7)];
let l_576 = l_575 * info.scalars_f32[0];
let l_577 = a_50[u32(3)];
let l_578 = l_576 - l_577;
let l_579 = exp(l_578);
let l_580 = a_117[u32(7)];
let l_581 = a_51[u32(3)];
let l_582 = l_580 - l_581;
let l_583 = l_579 * l_582;
let l_584 = l_583 * info.scalars_f32[0];
l_mut_124 = l_584;
}
let l_585 = l_547 * u32(33);
let l_586 = l_585 + l_569;
shared_memory_47[l_586] = l_mut_124;
let l_587 = local_idx % u32(16);
let l_588 = local_idx / u32(16);
workgroupBarrier();
let l_589 = local_idx + u32(0);
let l_590 = l_589 / u32(16);
let l_591 = l_589 % u32(16);
l_mut_124 = f32(0.0);
let l_592 = l_mut_113 + l_590;
let l_593 = l_592 < l_40;
let l_594 = u32(0) + l_591;
let l_595 = l_594 < u32(8);
let l_596 = l_593 && l_595;
if l_596 {
let l_597 = l_mut_113 + l_590;
let l_598 = l_597 / u32(1);
let l_599 = l_598 * l_41;
let l_600 = l_45 + l_599;
let l_601 = l_597 % u32(1);
let l_602 = l_601 * u32(8);
let l_603 = l_600 + l_602;
let l_604 = l_603 + u32(0);
let l_605 = l_604 + l_591;
let l_606 = buffer_2_global[l_605];
l_mut_124 = l_606;
}
shared_memory_46[l_589] = l_mut_124;
let l_607 = local_idx + u32(128);
let l_608 = l_607 / u32(16);
let l_609 = l_607 % u32(16);
l_mut_124 = f32(0.0);
let l_610 = l_mut_113 + l_608;
let l_611 = l_610 < l_40;
let l_612 = u32(0) + l_609;
let l_613 = l_612 < u32(8);
let l_614 = l_611 && l_613;
if l_614 {
let l_615 = l_mut_113 + l_608;
let l_616 = l_615 / u32(1);
let l_617 = l_616 * l_41;
let l_618 = l_45 + l_617;
let l_619 = l_615 % u32(1);
let l_620 = l_619 * u32(8);
let l_621 = l_618 + l_620;
let l_622 = l_621 + u32(0);
let l_623 = l_622 + l_609;
let l_624 = buffer_2_global[l_623];
l_mut_124 = l_624;
}
shared_memory_46[l_607] = l_mut_124;
let l_625 = local_idx + u32(256);
let l_626 = l_625 / u32(16);
let l_627 = l_625 % u32(16);
l_mut_124 = f32(0.0);
let l_628 = l_mut_113 + l_626;
let l_629 = l_628 < l_40;
let l_630 = u32(0) + l_627;
let l_631 = l_630 < u32(8);
let l_632 = l_629 && l_631;
if l_632 {
let l_633 = l_mut_113 + l_626;
let l_634 = l_633 / u32(1);
let l_635 = l_634 * l_41;
let l_636 = l_45 + l_635;
let l_637 = l_633 % u32(1);
let l_638 = l_637 * u32(8);
let l_639 = l_636 + l_638;
let l_640 = l_639 + u32(0);
let l_641 = l_640 + l_627;
let l_642 = buffer_2_global[l_641];
l_mut_124 = l_642;
}
shared_memory_46[l_625] = l_mut_124;
let l_643 = local_idx + u32(384);
let l_644 = l_643 / u32(16);
let l_645 = l_643 % u32(16);
l_mut_124 = f32(0.0);
let l_646 = l_mut_113 + l_644;
let l_647 = l_646 < l_40;
let l_648 = u32(0) + l_645;
let l_649 = l_648 < u32(8);
let l_650 = l_647 && l_649;
if l_650 {
let l_651 = l_mut_113 + l_644;
let l_652 = l_651 / u32(1);
let l_653 = l_652 * l_41;
let l_654 = l_45 + l_653;
let l_655 = l_651 % u32(1);
let l_656 = l_655 * u32(8);
let l_657 = l_654 + l_656;
let l_658 = l_657 + u32(0);
let l_659 = l_658 + l_645;
let l_660 = buffer_2_global[l_659];
l_mut_124 = l_660;
}
shared_memory_46[l_643] = l_mut_124;
workgroupBarrier();

for (var l_mut_661: u32 = u32(0); l_mut_661 < u32(32); l_mut_661++) {
let l_663 = l_mut_661 * u32(16);
let l_664 = l_663 + u32(0);
let l_665 = l_664 + l_587;
let l_666 = shared_memory_46[l_665];
a_662[u32(0)] = l_666;
let l_667 = l_588 * u32(4);
let l_668 = l_667 + u32(0);
let l_669 = l_668 * u32(33);
let l_670 = l_669 + l_mut_661;
let l_671 = shared_memory_47[l_670];
let l_672 = a_662[u32(0)];
let l_673 = l_671 * l_672;
let l_674 = a_112[u32(0)];
let l_675 = l_674 + l_673;
a_112[u32(0)] = l_675;
let l_676 = l_588 * u32(4);
let l_677 = l_676 + u32(1);
let l_678 = l_677 * u32(33);
let l_679 = l_678 + l_mut_661;
let l_680 = shared_memory_47[l_679];
let l_681 = a_662[u32(0)];
let l_682 = l_680 * l_681;
let l_683 = a_112[u32(1)];
let l_684 = l_683 + l_682;
a_112[u32(1)] = l_684;
let l_685 = l_588 * u32(4);
let l_686 = l_685 + u32(2);
let l_687 = l_686 * u32(33);
let l_688 = l_687 + l_mut_661;
let l_689 = shared_memory_47[l_688];
let l_690 = a_662[u32(0)];
let l_691 = l_689 * l_690;
let l_692 = a_112[u32(2)];
let l_693 = l_692 + l_691;
a_112[u32(2)] = l_693;
let l_694 = l_588 * u32(4);
let l_695 = l_694 + u32(3);
let l_696 = l_695 * u32(33);
let l_697 = l_696 + l_mut_661;
let l_698 = shared_memory_47[l_697];
let l_699 = a_662[u32(0)];
let l_700 = l_698 * l_699;
let l_701 = a_112[u32(3)];
let l_702 = l_701 + l_700;
a_112[u32(3)] = l_702;
}
l_mut_113 = l_mut_113 + u32(32);
}
a_703[u32(0)] = f32(1.0);
a_703[u32(1)] = f32(1.0);
a_703[u32(2)] = f32(1.0);
a_703[u32(3)] = f32(1.0);
let l_704 = local_idx % u32(16);
let l_705 = local_idx / u32(16);
let l_706 = l_705 * u32(4);
let l_707 = l_32 + l_706;
let l_708 = l_707 + u32(0);
let l_709 = l_708 < l_29;
if l_709 {
let l_710 = l_708 / u32(3);
let l_711 = l_710 * l_23;
let l_712 = l_28 + l_711;
let l_713 = l_708 % u32(3);
let l_714 = l_713 * u32(8);
let l_715 = l_712 + l_714;
let l_716 = u32(0) + l_704;
let l_717 = l_716 < u32(8);
if l_717 {
let l_718 = l_715 + l_716;
let l_719 = a_112[u32(0)];
let l_720 = a_703[u32(0)];
let l_721 = l_719 * l_720;
buffer_5_global[l_718] = l_721;
}
}
let l_722 = l_705 * u32(4);
let l_723 = l_32 + l_722;
let l_724 = l_723 + u32(1);
let l_725 = l_724 < l_29;
if l_725 {
let l_726 = l_724 / u32(3);
let l_727 = l_726 * l_23;
let l_728 = l_28 + l_727;
let l_729 = l_724 % u32(3);
let l_730 = l_729 * u32(8);
let l_731 = l_728 + l_730;
let l_732 = u32(0) + l_704;
let l_733 = l_732 < u32(8);
if l_733 {
let l_734 = l_731 + l_732;
let l_735 = a_112[u32(1)];
let l_736 = a_703[u32(1)];
let l_737 = l_735 * l_736;
buffer_5_global[l_734] = l_737;
}
}
let l_738 = l_705 * u32(4);
let l_739 = l_32 + l_738;
let l_740 = l_739 + u32(2);
let l_741 = l_740 < l_29;
if l_741 {
let l_742 = l_740 / u32(3);
let l_743 = l_742 * l_23;
let l_744 = l_28 + l_743;
let l_745 = l_740 % u32(3);
let l_746 = l_745 * u32(8);
let l_747 = l_744 + l_746;
let l_748 = u32(0) + l_704;
let l_749 = l_748 < u32(8);
if l_749 {
let l_750 = l_747 + l_748;
let l_751 = a_112[u32(2)];
let l_752 = a_703[u32(2)];
let l_753 = l_751 * l_752;
buffer_5_global[l_750] = l_753;
}
}
let l_754 = l_705 * u32(4);
let l_755 = l_32 + l_754;
let l_756 = l_755 + u32(3);
let l_757 = l_756 < l_29;
if l_757 {
let l_758 = l_756 / u32(3);
let l_759 = l_758 * l_23;
let l_760 = l_28 + l_759;
let l_761 = l_756 % u32(3);
let l_762 = l_761 * u32(8);
let l_763 = l_760 + l_762;
let l_764 = u32(0) + l_704;
let l_765 = l_764 < u32(8);
if l_765 {
let l_766 = l_763 + l_764;
let l_767 = a_112[u32(3)];
let l_768 = a_703[u32(3)];
let l_769 = l_767 * l_768;
buffer_5_global[l_766] = l_769;
}
}
}
