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
   scalars_f32: array<f32, 2>,
   scalars_u32: array<u32, 6>,
   static_meta: array<u32, 14>,
}

@group(0)
@binding(7)
var<storage, read> info: info_st;

var<workgroup> shared_memory_35: array<f32, 2112>;

var<workgroup> shared_memory_37: array<f32, 32>;

var<workgroup> shared_memory_38: array<f32, 32>;

var<workgroup> shared_memory_36: array<f32, 1056>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn of_columns(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_41: array<f32, 4>;

var a_42: array<f32, 4>;

var a_51: array<f32, 8>;

var a_52: array<f32, 8>;

var a_143: array<f32, 2>;

var a_295: array<f32, 2>;

var a_654: array<f32, 1>;

var a_818: array<f32, 1>;

var a_859: array<f32, 4>;

var a_926: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_381: f32;
var l_mut_46: u32;
var l_mut_59: f32;
let l_0 = info.scalars_u32[1] * info.scalars_u32[2];
let l_1 = l_0 * info.scalars_u32[4];
let l_2 = l_1 * u32(3);
let l_3 = info.scalars_u32[3] + u32(32);
let l_4 = l_3 - u32(1);
let l_5 = l_4 / u32(32);
let l_6 = u32(2) * l_2;
let l_7 = info.scalars_u32[0] + workgroup_id_no_axis;
let l_8 = l_5 * info.scalars_u32[4];
let l_9 = l_7 / l_8;
let l_10 = l_7 / l_5;
let l_11 = l_10 % info.scalars_u32[4];
let l_12 = l_9 % info.scalars_u32[1];
let l_13 = l_6 + l_12;
let l_14 = buffer_4_global[l_13];
let l_15 = u32(l_14);
let l_16 = info.scalars_u32[1] + l_13;
let l_17 = buffer_4_global[l_16];
let l_18 = u32(l_17);
let l_19 = l_7 % l_5;
let l_20 = l_9 >= info.scalars_u32[1];
if l_20 {
return;
}
let l_21 = info.scalars_u32[4] * u32(3);
let l_22 = l_21 * u32(8);
let l_23 = l_9 * info.scalars_u32[2];
let l_24 = l_23 * l_22;
let l_25 = l_11 * u32(3);
let l_26 = l_25 * u32(8);
let l_27 = l_24 + l_26;
let l_28 = info.scalars_u32[2] * u32(3);
let l_29 = info.scalars_u32[4] * u32(8);
let l_30 = l_9 * info.scalars_u32[3];
let l_31 = l_30 * l_29;
let l_32 = l_11 * u32(8);
let l_33 = l_31 + l_32;
let l_34 = l_19 * u32(32);
let l_39 = local_idx % u32(16);
let l_40 = local_idx / u32(16);
a_41[u32(0)] = f32(0.0);
a_41[u32(1)] = f32(0.0);
a_41[u32(2)] = f32(0.0);
a_41[u32(3)] = f32(0.0);
a_42[u32(0)] = f32(0.0);
a_42[u32(1)] = f32(0.0);
a_42[u32(2)] = f32(0.0);
a_42[u32(3)] = f32(0.0);
let l_43 = max(l_34, l_18);
let l_44 = l_43 - l_18;
let l_45 = l_44 * u32(3);
l_mut_46 = l_45;
let l_47 = l_34 + u32(32);
let l_48 = l_47 <= l_15;
if l_48 {
l_mut_46 = l_28;
}
loop {
let l_49 = l_mut_46 < l_28;
let l_50 = !l_49;
if l_50 {
break;
}
a_51[u32(0)] = f32(0.0);
a_51[u32(1)] = f32(0.0);
a_51[u32(2)] = f32(0.0);
a_51[u32(3)] = f32(0.0);
a_51[u32(4)] = f32(0.0);
a_51[u32(5)] = f32(0.0);
a_51[u32(6)] = f32(0.0);
a_51[u32(7)] = f32(0.0);
a_52[u32(0)] = f32(0.0);
a_52[u32(1)] = f32(0.0);
a_52[u32(2)] = f32(0.0);
a_52[u32(3)] = f32(0.0);
a_52[u32(4)] = f32(0.0);
a_52[u32(5)] = f32(0.0);
a_52[u32(6)] = f32(0.0);
a_52[u32(7)] = f32(0.0);
let l_53 = local_idx % u32(16);
let l_54 = local_idx / u32(16);
workgroupBarrier();
let l_55 = u32(0) * u32(8);
let l_56 = local_idx + u32(0);
let l_57 = l_56 / u32(8);
let l_58 = l_56 % u32(8);
l_mut_59 = f32(0.0);
let l_60 = l_34 + l_57;
let l_61 = l_60 < info.scalars_u32[3];
let l_62 = l_55 + l_58;
let l_63 = l_62 < u32(8);
let l_64 = l_61 && l_63;
if l_64 {
let l_65 = l_34 + l_57;
let l_66 = l_65 / u32(1);
let l_67 = l_66 * l_29;
let l_68 = l_33 + l_67;
let l_69 = l_65 % u32(1);
let l_70 = l_69 * u32(8);
let l_71 = l_68 + l_70;
let l_72 = l_71 + l_55;
let l_73 = l_72 + l_58;
let l_74 = buffer_2_global[l_73];
l_mut_59 = l_74;
}
let l_75 = l_58 * u32(33);
let l_76 = u32(0) + l_75;
let l_77 = l_76 + l_57;
shared_memory_35[l_77] = l_mut_59;
let l_78 = local_idx + u32(128);
let l_79 = l_78 / u32(8);
let l_80 = l_78 % u32(8);
l_mut_59 = f32(0.0);
let l_81 = l_34 + l_79;
let l_82 = l_81 < info.scalars_u32[3];
let l_83 = l_55 + l_80;
let l_84 = l_83 < u32(8);
let l_85 = l_82 && l_84;
if l_85 {
let l_86 = l_34 + l_79;
let l_87 = l_86 / u32(1);
let l_88 = l_87 * l_29;
let l_89 = l_33 + l_88;
let l_90 = l_86 % u32(1);
let l_91 = l_90 * u32(8);
let l_92 = l_89 + l_91;
let l_93 = l_92 + l_55;
let l_94 = l_93 + l_80;
let l_95 = buffer_2_global[l_94];
l_mut_59 = l_95;
}
let l_96 = l_80 * u32(33);
let l_97 = u32(0) + l_96;
let l_98 = l_97 + l_79;
shared_memory_35[l_98] = l_mut_59;
let l_99 = u32(0) * u32(8);
let l_100 = local_idx + u32(0);
let l_101 = l_100 / u32(8);
let l_102 = l_100 % u32(8);
l_mut_59 = f32(0.0);
let l_103 = l_mut_46 + l_101;
let l_104 = l_103 < l_28;
let l_105 = l_99 + l_102;
let l_106 = l_105 < u32(8);
let l_107 = l_104 && l_106;
if l_107 {
let l_108 = l_mut_46 + l_101;
let l_109 = l_108 / u32(3);
let l_110 = l_109 * l_22;
let l_111 = l_27 + l_110;
let l_112 = l_108 % u32(3);
let l_113 = l_112 * u32(8);
let l_114 = l_111 + l_113;
let l_115 = l_114 + l_99;
let l_116 = l_115 + l_102;
let l_117 = buffer_1_global[l_116];
l_mut_59 = l_117;
}
let l_118 = l_102 * u32(33);
let l_119 = u32(1056) + l_118;
let l_120 = l_119 + l_101;
shared_memory_35[l_120] = l_mut_59;
let l_121 = local_idx + u32(128);
let l_122 = l_121 / u32(8);
let l_123 = l_121 % u32(8);
l_mut_59 = f32(0.0);
let l_124 = l_mut_46 + l_122;
let l_125 = l_124 < l_28;
let l_126 = l_99 + l_123;
let l_127 = l_126 < u32(8);
let l_128 = l_125 && l_127;
if l_128 {
let l_129 = l_mut_46 + l_122;
let l_130 = l_129 / u32(3);
let l_131 = l_130 * l_22;
let l_132 = l_27 + l_131;
let l_133 = l_129 % u32(3);
let l_134 = l_133 * u32(8);
let l_135 = l_132 + l_134;
let l_136 = l_135 + l_99;
let l_137 = l_136 + l_123;
let l_138 = buffer_1_global[l_137];
l_mut_59 = l_138;
}
let l_139 = l_123 * u32(33);
let l_140 = u32(1056) + l_139;
let l_141 = l_140 + l_122;
shared_memory_35[l_141] = l_mut_59;
workgroupBarrier();

for (var l_mut_142: u32 = u32(0); l_mut_142 < u32(8); l_mut_142++) {
let l_144 = l_mut_142 * u32(33);
let l_145 = u32(1056) + l_144;
let l_146 = l_145 + u32(0);
let l_147 = l_146 + l_53;
let l_148 = shared_memory_35[l_147];
a_143[u32(0)] = l_148;
let l_149 = l_mut_142 * u32(33);
let l_150 = u32(1056) + l_149;
let l_151 = l_150 + u32(16);
let l_152 = l_151 + l_53;
let l_153 = shared_memory_35[l_152];
a_143[u32(1)] = l_153;
let l_154 = l_mut_142 * u32(33);
let l_155 = l_54 * u32(4);
let l_156 = l_154 + l_155;
let l_157 = l_156 + u32(0);
let l_158 = shared_memory_35[l_157];
let l_159 = a_143[u32(0)];
let l_160 = l_158 * l_159;
let l_161 = a_51[u32(0)];
let l_162 = l_161 + l_160;
a_51[u32(0)] = l_162;
let l_163 = a_143[u32(1)];
let l_164 = l_158 * l_163;
let l_165 = a_51[u32(1)];
let l_166 = l_165 + l_164;
a_51[u32(1)] = l_166;
let l_167 = l_mut_142 * u32(33);
let l_168 = l_54 * u32(4);
let l_169 = l_167 + l_168;
let l_170 = l_169 + u32(1);
let l_171 = shared_memory_35[l_170];
let l_172 = a_143[u32(0)];
let l_173 = l_171 * l_172;
let l_174 = a_51[u32(2)];
let l_175 = l_174 + l_173;
a_51[u32(2)] = l_175;
let l_176 = a_143[u32(1)];
let l_177 = l_171 * l_176;
let l_178 = a_51[u32(3)];
let l_179 = l_178 + l_177;
a_51[u32(3)] = l_179;
let l_180 = l_mut_142 * u32(33);
let l_181 = l_54 * u32(4);
let l_182 = l_180 + l_181;
let l_183 = l_182 + u32(2);
let l_184 = shared_memory_35[l_183];
let l_185 = a_143[u32(0)];
let l_186 = l_184 * l_185;
let l_187 = a_51[u32(4)];
let l_188 = l_187 + l_186;
a_51[u32(4)] = l_188;
let l_189 = a_143[u32(1)];
let l_190 = l_184 * l_189;
let l_191 = a_51[u32(5)];
let l_192 = l_191 + l_190;
a_51[u32(5)] = l_192;
let l_193 = l_mut_142 * u32(33);
let l_194 = l_54 * u32(4);
let l_195 = l_193 + l_194;
let l_196 = l_195 + u32(3);
let l_197 = shared_memory_35[l_196];
let l_198 = a_143[u32(0)];
let l_199 = l_197 * l_198;
let l_200 = a_51[u32(6)];
let l_201 = l_200 + l_199;
a_51[u32(6)] = l_201;
let l_202 = a_143[u32(1)];
let l_203 = l_197 * l_202;
let l_204 = a_51[u32(7)];
let l_205 = l_204 + l_203;
a_51[u32(7)] = l_205;
}
let l_206 = local_idx % u32(16);
let l_207 = local_idx / u32(16);
workgroupBarrier();
let l_208 = u32(0) * u32(8);
let l_209 = local_idx + u32(0);
let l_210 = l_209 / u32(8);
let l_211 = l_209 % u32(8);
l_mut_59 = f32(0.0);
let l_212 = l_34 + l_210;
let l_213 = l_212 < info.scalars_u32[3];
let l_214 = l_208 + l_211;
let l_215 = l_214 < u32(8);
let l_216 = l_213 && l_215;
if l_216 {
let l_217 = l_34 + l_210;
let l_218 = l_217 / u32(1);
let l_219 = l_218 * l_29;
let l_220 = l_33 + l_219;
let l_221 = l_217 % u32(1);
let l_222 = l_221 * u32(8);
let l_223 = l_220 + l_222;
let l_224 = l_223 + l_208;
let l_225 = l_224 + l_211;
let l_226 = buffer_3_global[l_225];
l_mut_59 = l_226;
}
let l_227 = l_211 * u32(33);
let l_228 = u32(0) + l_227;
let l_229 = l_228 + l_210;
shared_memory_35[l_229] = l_mut_59;
let l_230 = local_idx + u32(128);
let l_231 = l_230 / u32(8);
let l_232 = l_230 % u32(8);
l_mut_59 = f32(0.0);
let l_233 = l_34 + l_231;
let l_234 = l_233 < info.scalars_u32[3];
let l_235 = l_208 + l_232;
let l_236 = l_235 < u32(8);
let l_237 = l_234 && l_236;
if l_237 {
let l_238 = l_34 + l_231;
let l_239 = l_238 / u32(1);
let l_240 = l_239 * l_29;
let l_241 = l_33 + l_240;
let l_242 = l_238 % u32(1);
let l_243 = l_242 * u32(8);
let l_244 = l_241 + l_243;
let l_245 = l_244 + l_208;
let l_246 = l_245 + l_232;
let l_247 = buffer_3_global[l_246];
l_mut_59 = l_247;
}
let l_248 = l_232 * u32(33);
let l_249 = u32(0) + l_248;
let l_250 = l_249 + l_231;
shared_memory_35[l_250] = l_mut_59;
let l_251 = u32(0) * u32(8);
let l_252 = local_idx + u32(0);
let l_253 = l_252 / u32(8);
let l_254 = l_252 % u32(8);
l_mut_59 = f32(0.0);
let l_255 = l_mut_46 + l_253;
let l_256 = l_255 < l_28;
let l_257 = l_251 + l_254;
let l_258 = l_257 < u32(8);
let l_259 = l_256 && l_258;
if l_259 {
let l_260 = l_mut_46 + l_253;
let l_261 = l_260 / u32(3);
let l_262 = l_261 * l_22;
let l_263 = l_27 + l_262;
let l_264 = l_260 % u32(3);
let l_265 = l_264 * u32(8);
let l_266 = l_263 + l_265;
let l_267 = l_266 + l_251;
let l_268 = l_267 + l_254;
let l_269 = buffer_0_global[l_268];
l_mut_59 = l_269;
}
let l_270 = l_254 * u32(33);
let l_271 = u32(1056) + l_270;
let l_272 = l_271 + l_253;
shared_memory_35[l_272] = l_mut_59;
let l_273 = local_idx + u32(128);
let l_274 = l_273 / u32(8);
let l_275 = l_273 % u32(8);
l_mut_59 = f32(0.0);
let l_276 = l_mut_46 + l_274;
let l_277 = l_276 < l_28;
let l_278 = l_251 + l_275;
let l_279 = l_278 < u32(8);
let l_280 = l_277 && l_279;
if l_280 {
let l_281 = l_mut_46 + l_274;
let l_282 = l_281 / u32(3);
let l_283 = l_282 * l_22;
let l_284 = l_27 + l_283;
let l_285 = l_281 % u32(3);
let l_286 = l_285 * u32(8);
let l_287 = l_284 + l_286;
let l_288 = l_287 + l_251;
let l_289 = l_288 + l_275;
let l_290 = buffer_0_global[l_289];
l_mut_59 = l_290;
}
let l_291 = l_275 * u32(33);
let l_292 = u32(1056) + l_291;
let l_293 = l_292 + l_274;
shared_memory_35[l_293] = l_mut_59;
workgroupBarrier();

for (var l_mut_294: u32 = u32(0); l_mut_294 < u32(8); l_mut_294++) {
let l_296 = l_mut_294 * u32(33);
let l_297 = u32(1056) + l_296;
let l_298 = l_297 + u32(0);
let l_299 = l_298 + l_206;
let l_300 = shared_memory_35[l_299];
a_295[u32(0)] = l_300;
let l_301 = l_mut_294 * u32(33);
let l_302 = u32(1056) + l_301;
let l_303 = l_302 + u32(16);
let l_304 = l_303 + l_206;
let l_305 = shared_memory_35[l_304];
a_295[u32(1)] = l_305;
let l_306 = l_mut_294 * u32(33);
let l_307 = l_207 * u32(4);
let l_308 = l_306 + l_307;
let l_309 = l_308 + u32(0);
let l_310 = shared_memory_35[l_309];
let l_311 = a_295[u32(0)];
let l_312 = l_310 * l_311;
let l_313 = a_52[u32(0)];
let l_314 = l_313 + l_312;
a_52[u32(0)] = l_314;
let l_315 = a_295[u32(1)];
let l_316 = l_310 * l_315;
let l_317 = a_52[u32(1)];
let l_318 = l_317 + l_316;
a_52[u32(1)] = l_318;
let l_319 = l_mut_294 * u32(33);
let l_320 = l_207 * u32(4);
let l_321 = l_319 + l_320;
let l_322 = l_321 + u32(1);
let l_323 = shared_memory_35[l_322];
let l_324 = a_295[u32(0)];
let l_325 = l_323 * l_324;
let l_326 = a_52[u32(2)];
let l_327 = l_326 + l_325;
a_52[u32(2)] = l_327;
let l_328 = a_295[u32(1)];
let l_329 = l_323 * l_328;
let l_330 = a_52[u32(3)];
let l_331 = l_330 + l_329;
a_52[u32(3)] = l_331;
let l_332 = l_mut_294 * u32(33);
let l_333 = l_207 * u32(4);
let l_334 = l_332 + l_333;
let l_335 = l_334 + u32(2);
let l_336 = shared_memory_35[l_335];
let l_337 = a_295[u32(0)];
let l_338 = l_336 * l_337;
let l_339 = a_52[u32(4)];
let l_340 = l_339 + l_338;
a_52[u32(4)] = l_340;
let l_341 = a_295[u32(1)];
let l_342 = l_336 * l_341;
let l_343 = a_52[u32(5)];
let l_344 = l_343 + l_342;
a_52[u32(5)] = l_344;
let l_345 = l_mut_294 * u32(33);
let l_346 = l_207 * u32(4);
let l_347 = l_345 + l_346;
let l_348 = l_347 + u32(3);
let l_349 = shared_memory_35[l_348];
let l_350 = a_295[u32(0)];
let l_351 = l_349 * l_350;
let l_352 = a_52[u32(6)];
let l_353 = l_352 + l_351;
a_52[u32(6)] = l_353;
let l_354 = a_295[u32(1)];
let l_355 = l_349 * l_354;
let l_356 = a_52[u32(7)];
let l_357 = l_356 + l_355;
a_52[u32(7)] = l_357;
}
let l_358 = local_idx < u32(32);
let l_359 = l_mut_46 + local_idx;
let l_360 = l_359 < l_28;
let l_361 = l_358 && l_360;
if l_361 {
let l_362 = l_mut_46 + local_idx;
let l_363 = l_9 * info.scalars_u32[4];
let l_364 = l_363 + l_11;
let l_365 = l_364 * u32(3);
let l_366 = l_362 % u32(3);
let l_367 = l_365 + l_366;
let l_368 = l_367 * info.scalars_u32[2];
let l_369 = l_362 / u32(3);
let l_370 = l_368 + l_369;
let l_371 = buffer_4_global[l_370];
shared_memory_37[local_idx] = l_371;
let l_372 = l_2 + l_370;
let l_373 = buffer_4_global[l_372];
shared_memory_38[local_idx] = l_373;
}
workgroupBarrier();
let l_374 = l_40 * u32(4);
let l_375 = l_34 + l_374;
let l_376 = l_375 + u32(0);
let l_377 = u32(0) + l_39;
let l_378 = l_mut_46 + l_377;
let l_379 = l_378 / u32(3);
let l_380 = l_18 + l_379;
l_mut_59 = f32(0.0);
l_mut_381 = f32(0.0);
let l_382 = l_376 >= l_15;
let l_383 = l_376 <= l_380;
let l_384 = l_382 && l_383;
let l_385 = l_mut_46 + l_377;
let l_386 = l_385 < l_28;
let l_387 = l_384 && l_386;
if l_387 {
let l_388 = a_51[u32(0)];
let l_389 = l_388 * info.scalars_f32[0];
let l_390 = shared_memory_37[l_377];
let l_391 = l_389 - l_390;
let l_392 = exp(l_391);
l_mut_59 = l_392;
let l_393 = a_52[u32(0)];
let l_394 = shared_memory_38[l_377];
let l_395 = l_393 - l_394;
let l_396 = l_mut_59 * l_395;
let l_397 = l_396 * info.scalars_f32[0];
l_mut_381 = l_397;
}
let l_398 = l_40 * u32(4);
let l_399 = l_398 + u32(0);
let l_400 = l_399 * u32(33);
let l_401 = l_400 + l_377;
shared_memory_36[l_401] = l_mut_59;
a_52[u32(0)] = l_mut_381;
let l_402 = u32(16) + l_39;
let l_403 = l_mut_46 + l_402;
let l_404 = l_403 / u32(3);
let l_405 = l_18 + l_404;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_406 = l_376 >= l_15;
let l_407 = l_376 <= l_405;
let l_408 = l_406 && l_407;
let l_409 = l_mut_46 + l_402;
let l_410 = l_409 < l_28;
let l_411 = l_408 && l_410;
if l_411 {
let l_412 = a_51[u32(1)];
let l_413 = l_412 * info.scalars_f32[0];
let l_414 = shared_memory_37[l_402];
let l_415 = l_413 - l_414;
let l_416 = exp(l_415);
l_mut_381 = l_416;
let l_417 = a_52[u32(1)];
let l_418 = shared_memory_38[l_402];
let l_419 = l_417 - l_418;
let l_420 = l_mut_381 * l_419;
let l_421 = l_420 * info.scalars_f32[0];
l_mut_59 = l_421;
}
let l_422 = l_40 * u32(4);
let l_423 = l_422 + u32(0);
let l_424 = l_423 * u32(33);
let l_425 = l_424 + l_402;
shared_memory_36[l_425] = l_mut_381;
a_52[u32(1)] = l_mut_59;
let l_426 = l_40 * u32(4);
let l_427 = l_34 + l_426;
let l_428 = l_427 + u32(1);
let l_429 = u32(0) + l_39;
let l_430 = l_mut_46 + l_429;
let l_431 = l_430 / u32(3);
let l_432 = l_18 + l_431;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_433 = l_428 >= l_15;
let l_434 = l_428 <= l_432;
let l_435 = l_433 && l_434;
let l_436 = l_mut_46 + l_429;
let l_437 = l_436 < l_28;
let l_438 = l_435 && l_437;
if l_438 {
let l_439 = a_51[u32(2)];
let l_440 = l_439 * info.scalars_f32[0];
let l_441 = shared_memory_37[l_429];
let l_442 = l_440 - l_441;
let l_443 = exp(l_442);
l_mut_381 = l_443;
let l_444 = a_52[u32(2)];
let l_445 = shared_memory_38[l_429];
let l_446 = l_444 - l_445;
let l_447 = l_mut_381 * l_446;
let l_448 = l_447 * info.scalars_f32[0];
l_mut_59 = l_448;
}
let l_449 = l_40 * u32(4);
let l_450 = l_449 + u32(1);
let l_451 = l_450 * u32(33);
let l_452 = l_451 + l_429;
shared_memory_36[l_452] = l_mut_381;
a_52[u32(2)] = l_mut_59;
let l_453 = u32(16) + l_39;
let l_454 = l_mut_46 + l_453;
let l_455 = l_454 / u32(3);
let l_456 = l_18 + l_455;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_457 = l_428 >= l_15;
let l_458 = l_428 <= l_456;
let l_459 = l_457 && l_458;
let l_460 = l_mut_46 + l_453;
let l_461 = l_460 < l_28;
let l_462 = l_459 && l_461;
if l_462 {
let l_463 = a_51[u32(3)];
let l_464 = l_463 * info.scalars_f32[0];
let l_465 = shared_memory_37[l_453];
let l_466 = l_464 - l_465;
let l_467 = exp(l_466);
l_mut_381 = l_467;
let l_468 = a_52[u32(3)];
let l_469 = shared_memory_38[l_453];
let l_470 = l_468 - l_469;
let l_471 = l_mut_381 * l_470;
let l_472 = l_471 * info.scalars_f32[0];
l_mut_59 = l_472;
}
let l_473 = l_40 * u32(4);
let l_474 = l_473 + u32(1);
let l_475 = l_474 * u32(33);
let l_476 = l_475 + l_453;
shared_memory_36[l_476] = l_mut_381;
a_52[u32(3)] = l_mut_59;
let l_477 = l_40 * u32(4);
let l_478 = l_34 + l_477;
let l_479 = l_478 + u32(2);
let l_480 = u32(0) + l_39;
let l_481 = l_mut_46 + l_480;
let l_482 = l_481 / u32(3);
let l_483 = l_18 + l_482;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_484 = l_479 >= l_15;
let l_485 = l_479 <= l_483;
let l_486 = l_484 && l_485;
let l_487 = l_mut_46 + l_480;
let l_488 = l_487 < l_28;
let l_489 = l_486 && l_488;
if l_489 {
let l_490 = a_51[u32(4)];
let l_491 = l_490 * info.scalars_f32[0];
let l_492 = shared_memory_37[l_480];
let l_493 = l_491 - l_492;
let l_494 = exp(l_493);
l_mut_381 = l_494;
let l_495 = a_52[u32(4)];
let l_496 = shared_memory_38[l_480];
let l_497 = l_495 - l_496;
let l_498 = l_mut_381 * l_497;
let l_499 = l_498 * info.scalars_f32[0];
l_mut_59 = l_499;
}
let l_500 = l_40 * u32(4);
let l_501 = l_500 + u32(2);
let l_502 = l_501 * u32(33);
let l_503 = l_502 + l_480;
shared_memory_36[l_503] = l_mut_381;
a_52[u32(4)] = l_mut_59;
let l_504 = u32(16) + l_39;
let l_505 = l_mut_46 + l_504;
let l_506 = l_505 / u32(3);
let l_507 = l_18 + l_506;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_508 = l_479 >= l_15;
let l_509 = l_479 <= l_507;
let l_510 = l_508 && l_509;
let l_511 = l_mut_46 + l_504;
let l_512 = l_511 < l_28;
let l_513 = l_510 && l_512;
if l_513 {
let l_514 = a_51[u32(5)];
let l_515 = l_514 * info.scalars_f32[0];
let l_516 = shared_memory_37[l_504];
let l_517 = l_515 - l_516;
let l_518 = exp(l_517);
l_mut_381 = l_518;
let l_519 = a_52[u32(5)];
let l_520 = shared_memory_38[l_504];
let l_521 = l_519 - l_520;
let l_522 = l_mut_381 * l_521;
let l_523 = l_522 * info.scalars_f32[0];
l_mut_59 = l_523;
}
let l_524 = l_40 * u32(4);
let l_525 = l_524 + u32(2);
let l_526 = l_525 * u32(33);
let l_527 = l_526 + l_504;
shared_memory_36[l_527] = l_mut_381;
a_52[u32(5)] = l_mut_59;
let l_528 = l_40 * u32(4);
let l_529 = l_34 + l_528;
let l_530 = l_529 + u32(3);
let l_531 = u32(0) + l_39;
let l_532 = l_mut_46 + l_531;
let l_533 = l_532 / u32(3);
let l_534 = l_18 + l_533;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_535 = l_530 >= l_15;
let l_536 = l_530 <= l_534;
let l_537 = l_535 && l_536;
let l_538 = l_mut_46 + l_531;
let l_539 = l_538 < l_28;
let l_540 = l_537 && l_539;
if l_540 {
let l_541 = a_51[u32(6)];
let l_542 = l_541 * info.scalars_f32[0];
let l_543 = shared_memory_37[l_531];
let l_544 = l_542 - l_543;
let l_545 = exp(l_544);
l_mut_381 = l_545;
let l_546 = a_52[u32(6)];
let l_547 = shared_memory_38[l_531];
let l_548 = l_546 - l_547;
let l_549 = l_mut_381 * l_548;
let l_550 = l_549 * info.scalars_f32[0];
l_mut_59 = l_550;
}
let l_551 = l_40 * u32(4);
let l_552 = l_551 + u32(3);
let l_553 = l_552 * u32(33);
let l_554 = l_553 + l_531;
shared_memory_36[l_554] = l_mut_381;
a_52[u32(6)] = l_mut_59;
let l_555 = u32(16) + l_39;
let l_556 = l_mut_46 + l_555;
let l_557 = l_556 / u32(3);
let l_558 = l_18 + l_557;
l_mut_381 = f32(0.0);
l_mut_59 = f32(0.0);
let l_559 = l_530 >= l_15;
let l_560 = l_530 <= l_558;
let l_561 = l_559 && l_560;
let l_562 = l_mut_46 + l_555;
let l_563 = l_562 < l_28;
let l_564 = l_561 && l_563;
if l_564 {
let l_565 = a_51[u32(7)];
let l_566 = l_565 * info.scalars_f32[0];
let l_567 = shared_memory_37[l_555];
let l_568 = l_566 - l_567;
let l_569 = exp(l_568);
l_mut_381 = l_569;
let l_570 = a_52[u32(7)];
let l_571 = shared_memory_38[l_555];
let l_572 = l_570 - l_571;
let l_573 = l_mut_381 * l_572;
let l_574 = l_573 * info.scalars_f32[0];
l_mut_59 = l_574;
}
let l_575 = l_40 * u32(4);
let l_576 = l_575 + u32(3);
let l_577 = l_576 * u32(33);
let l_578 = l_577 + l_555;
shared_memory_36[l_578] = l_mut_381;
a_52[u32(7)] = l_mut_59;
let l_579 = local_idx % u32(16);
let l_580 = local_idx / u32(16);
workgroupBarrier();
let l_581 = local_idx + u32(0);
let l_582 = l_581 / u32(16);
let l_583 = l_581 % u32(16);
l_mut_381 = f32(0.0);
let l_584 = l_mut_46 + l_582;
let l_585 = l_584 < l_28;
let l_586 = u32(0) + l_583;
let l_587 = l_586 < u32(8);
let l_588 = l_585 && l_587;
if l_588 {
let l_589 = l_mut_46 + l_582;
let l_590 = l_589 / u32(3);
let l_591 = l_590 * l_22;
let l_592 = l_27 + l_591;
let l_593 = l_589 % u32(3);
let l_594 = l_593 * u32(8);
let l_595 = l_592 + l_594;
let l_596 = l_595 + u32(0);
let l_597 = l_596 + l_583;
let l_598 = buffer_0_global[l_597];
l_mut_381 = l_598;
}
shared_memory_35[l_581] = l_mut_381;
let l_599 = local_idx + u32(128);
let l_600 = l_599 / u32(16);
let l_601 = l_599 % u32(16);
l_mut_381 = f32(0.0);
let l_602 = l_mut_46 + l_600;
let l_603 = l_602 < l_28;
let l_604 = u32(0) + l_601;
let l_605 = l_604 < u32(8);
let l_606 = l_603 && l_605;
if l_606 {
let l_607 = l_mut_46 + l_600;
let l_608 = l_607 / u32(3);
let l_609 = l_608 * l_22;
let l_610 = l_27 + l_609;
let l_611 = l_607 % u32(3);
let l_612 = l_611 * u32(8);
let l_613 = l_610 + l_612;
let l_614 = l_613 + u32(0);
let l_615 = l_614 + l_601;
let l_616 = buffer_0_global[l_615];
l_mut_381 = l_616;
}
shared_memory_35[l_599] = l_mut_381;
let l_617 = local_idx + u32(256);
let l_618 = l_617 / u32(16);
let l_619 = l_617 % u32(16);
l_mut_381 = f32(0.0);
let l_620 = l_mut_46 + l_618;
let l_621 = l_620 < l_28;
let l_622 = u32(0) + l_619;
let l_623 = l_622 < u32(8);
let l_624 = l_621 && l_623;
if l_624 {
let l_625 = l_mut_46 + l_618;
let l_626 = l_625 / u32(3);
let l_627 = l_626 * l_22;
let l_628 = l_27 + l_627;
let l_629 = l_625 % u32(3);
let l_630 = l_629 * u32(8);
let l_631 = l_628 + l_630;
let l_632 = l_631 + u32(0);
let l_633 = l_632 + l_619;
let l_634 = buffer_0_global[l_633];
l_mut_381 = l_634;
}
shared_memory_35[l_617] = l_mut_381;
let l_635 = local_idx + u32(384);
let l_636 = l_635 / u32(16);
let l_637 = l_635 % u32(16);
l_mut_381 = f32(0.0);
let l_638 = l_mut_46 + l_636;
let l_639 = l_638 < l_28;
let l_640 = u32(0) + l_637;
let l_641 = l_640 < u32(8);
let l_642 = l_639 && l_641;
if l_642 {
let l_643 = l_mut_46 + l_636;
let l_644 = l_643 / u32(3);
let l_645 = l_644 * l_22;
let l_646 = l_27 + l_645;
let l_647 = l_643 % u32(3);
let l_648 = l_647 * u32(8);
let l_649 = l_646 + l_648;
let l_650 = l_649 + u32(0);
let l_651 = l_650 + l_637;
let l_652 = buffer_0_global[l_651];
l_mut_381 = l_652;
}
shared_memory_35[l_635] = l_mut_381;
workgroupBarrier();

for (var l_mut_653: u32 = u32(0); l_mut_653 < u32(32); l_mut_653++) {
let l_655 = l_mut_653 * u32(16);
let l_656 = l_655 + u32(0);
let l_657 = l_656 + l_579;
let l_658 = shared_memory_35[l_657];
a_654[u32(0)] = l_658;
let l_659 = l_580 * u32(4);
let l_660 = l_659 + u32(0);
let l_661 = l_660 * u32(33);
let l_662 = l_661 + l_mut_653;
let l_663 = shared_memory_36[l_662];
let l_664 = a_654[u32(0)];
let l_665 = l_663 * l_664;
let l_666 = a_42[u32(0)];
let l_667 = l_666 + l_665;
a_42[u32(0)] = l_667;
let l_668 = l_580 * u32(4);
let l_669 = l_668 + u32(1);
let l_670 = l_669 * u32(33);
let l_671 = l_670 + l_mut_653;
let l_672 = shared_memory_36[l_671];
let l_673 = a_654[u32(0)];
let l_674 = l_672 * l_673;
let l_675 = a_42[u32(1)];
let l_676 = l_675 + l_674;
a_42[u32(1)] = l_676;
let l_677 = l_580 * u32(4);
let l_678 = l_677 + u32(2);
let l_679 = l_678 * u32(33);
let l_680 = l_679 + l_mut_653;
let l_681 = shared_memory_36[l_680];
let l_682 = a_654[u32(0)];
let l_683 = l_681 * l_682;
let l_684 = a_42[u32(2)];
let l_685 = l_684 + l_683;
a_42[u32(2)] = l_685;
let l_686 = l_580 * u32(4);
let l_687 = l_686 + u32(3);
let l_688 = l_687 * u32(33);
let l_689 = l_688 + l_mut_653;
let l_690 = shared_memory_36[l_689];
let l_691 = a_654[u32(0)];
let l_692 = l_690 * l_691;
let l_693 = a_42[u32(3)];
let l_694 = l_693 + l_692;
a_42[u32(3)] = l_694;
}
workgroupBarrier();
let l_695 = l_40 * u32(4);
let l_696 = l_695 + u32(0);
let l_697 = l_696 * u32(33);
let l_698 = l_697 + u32(0);
let l_699 = l_698 + l_39;
let l_700 = a_52[u32(0)];
shared_memory_36[l_699] = l_700;
let l_701 = l_40 * u32(4);
let l_702 = l_701 + u32(0);
let l_703 = l_702 * u32(33);
let l_704 = l_703 + u32(16);
let l_705 = l_704 + l_39;
let l_706 = a_52[u32(1)];
shared_memory_36[l_705] = l_706;
let l_707 = l_40 * u32(4);
let l_708 = l_707 + u32(1);
let l_709 = l_708 * u32(33);
let l_710 = l_709 + u32(0);
let l_711 = l_710 + l_39;
let l_712 = a_52[u32(2)];
shared_memory_36[l_711] = l_712;
let l_713 = l_40 * u32(4);
let l_714 = l_713 + u32(1);
let l_715 = l_714 * u32(33);
let l_716 = l_715 + u32(16);
let l_717 = l_716 + l_39;
let l_718 = a_52[u32(3)];
shared_memory_36[l_717] = l_718;
let l_719 = l_40 * u32(4);
let l_720 = l_719 + u32(2);
let l_721 = l_720 * u32(33);
let l_722 = l_721 + u32(0);
let l_723 = l_722 + l_39;
let l_724 = a_52[u32(4)];
shared_memory_36[l_723] = l_724;
let l_725 = l_40 * u32(4);
let l_726 = l_725 + u32(2);
let l_727 = l_726 * u32(33);
let l_728 = l_727 + u32(16);
let l_729 = l_728 + l_39;
let l_730 = a_52[u32(5)];
shared_memory_36[l_729] = l_730;
let l_731 = l_40 * u32(4);
let l_732 = l_731 + u32(3);
let l_733 = l_732 * u32(33);
let l_734 = l_733 + u32(0);
let l_735 = l_734 + l_39;
let l_736 = a_52[u32(6)];
shared_memory_36[l_735] = l_736;
let l_737 = l_40 * u32(4);
let l_738 = l_737 + u32(3);
let l_739 = l_738 * u32(33);
let l_740 = l_739 + u32(16);
let l_741 = l_740 + l_39;
let l_742 = a_52[u32(7)];
shared_memory_36[l_741] = l_742;
let l_743 = local_idx % u32(16);
let l_744 = local_idx / u32(16);
workgroupBarrier();
let l_745 = local_idx + u32(0);
let l_746 = l_745 / u32(16);
let l_747 = l_745 % u32(16);
l_mut_381 = f32(0.0);
let l_748 = l_mut_46 + l_746;
let l_749 = l_748 < l_28;
let l_750 = u32(0) + l_747;
let l_751 = l_750 < u32(8);
let l_752 = l_749 && l_751;
if l_752 {
let l_753 = l_mut_46 + l_746;
let l_754 = l_753 / u32(3);
let l_755 = l_754 * l_22;
let l_756 = l_27 + l_755;
let l_757 = l_753 % u32(3);
let l_758 = l_757 * u32(8);
let l_759 = l_756 + l_758;
let l_760 = l_759 + u32(0);
let l_761 = l_760 + l_747;
let l_762 = buffer_1_global[l_761];
l_mut_381 = l_762;
}
shared_memory_35[l_745] = l_mut_381;
let l_763 = local_idx + u32(128);
let l_764 = l_763 / u32(16);
let l_765 = l_763 % u32(16);
l_mut_381 = f32(0.0);
let l_766 = l_mut_46 + l_764;
let l_767 = l_766 < l_28;
let l_768 = u32(0) + l_765;
let l_769 = l_768 < u32(8);
let l_770 = l_767 && l_769;
if l_770 {
let l_771 = l_mut_46 + l_764;
let l_772 = l_771 / u32(3);
let l_773 = l_772 * l_22;
let l_774 = l_27 + l_773;
let l_775 = l_771 % u32(3);
let l_776 = l_775 * u32(8);
let l_777 = l_774 + l_776;
let l_778 = l_777 + u32(0);
let l_779 = l_778 + l_765;
let l_780 = buffer_1_global[l_779];
l_mut_381 = l_780;
}
shared_memory_35[l_763] = l_mut_381;
let l_781 = local_idx + u32(256);
let l_782 = l_781 / u32(16);
let l_783 = l_781 % u32(16);
l_mut_381 = f32(0.0);
let l_784 = l_mut_46 + l_782;
let l_785 = l_784 < l_28;
let l_786 = u32(0) + l_783;
let l_787 = l_786 < u32(8);
let l_788 = l_785 && l_787;
if l_788 {
let l_789 = l_mut_46 + l_782;
let l_790 = l_789 / u32(3);
let l_791 = l_790 * l_22;
let l_792 = l_27 + l_791;
let l_793 = l_789 % u32(3);
let l_794 = l_793 * u32(8);
let l_795 = l_792 + l_794;
let l_796 = l_795 + u32(0);
let l_797 = l_796 + l_783;
let l_798 = buffer_1_global[l_797];
l_mut_381 = l_798;
}
shared_memory_35[l_781] = l_mut_381;
let l_799 = local_idx + u32(384);
let l_800 = l_799 / u32(16);
let l_801 = l_799 % u32(16);
l_mut_381 = f32(0.0);
let l_802 = l_mut_46 + l_800;
let l_803 = l_802 < l_28;
let l_804 = u32(0) + l_801;
let l_805 = l_804 < u32(8);
let l_806 = l_803 && l_805;
if l_806 {
let l_807 = l_mut_46 + l_800;
let l_808 = l_807 / u32(3);
let l_809 = l_808 * l_22;
let l_810 = l_27 + l_809;
let l_811 = l_807 % u32(3);
let l_812 = l_811 * u32(8);
let l_813 = l_810 + l_812;
let l_814 = l_813 + u32(0);
let l_815 = l_814 + l_801;
let l_816 = buffer_1_global[l_815];
l_mut_381 = l_816;
}
shared_memory_35[l_799] = l_mut_381;
workgroupBarrier();

for (var l_mut_817: u32 = u32(0); l_mut_817 < u32(32); l_mut_817++) {
let l_819 = l_mut_817 * u32(16);
let l_820 = l_819 + u32(0);
let l_821 = l_820 + l_743;
let l_822 = shared_memory_35[l_821];
a_818[u32(0)] = l_822;
let l_823 = l_744 * u32(4);
let l_824 = l_823 + u32(0);
let l_825 = l_824 * u32(33);
let l_826 = l_825 + l_mut_817;
let l_827 = shared_memory_36[l_826];
let l_828 = a_818[u32(0)];
let l_829 = l_827 * l_828;
let l_830 = a_41[u32(0)];
let l_831 = l_830 + l_829;
a_41[u32(0)] = l_831;
let l_832 = l_744 * u32(4);
let l_833 = l_832 + u32(1);
let l_834 = l_833 * u32(33);
let l_835 = l_834 + l_mut_817;
let l_836 = shared_memory_36[l_835];
let l_837 = a_818[u32(0)];
let l_838 = l_836 * l_837;
let l_839 = a_41[u32(1)];
let l_840 = l_839 + l_838;
a_41[u32(1)] = l_840;
let l_841 = l_744 * u32(4);
let l_842 = l_841 + u32(2);
let l_843 = l_842 * u32(33);
let l_844 = l_843 + l_mut_817;
let l_845 = shared_memory_36[l_844];
let l_846 = a_818[u32(0)];
let l_847 = l_845 * l_846;
let l_848 = a_41[u32(2)];
let l_849 = l_848 + l_847;
a_41[u32(2)] = l_849;
let l_850 = l_744 * u32(4);
let l_851 = l_850 + u32(3);
let l_852 = l_851 * u32(33);
let l_853 = l_852 + l_mut_817;
let l_854 = shared_memory_36[l_853];
let l_855 = a_818[u32(0)];
let l_856 = l_854 * l_855;
let l_857 = a_41[u32(3)];
let l_858 = l_857 + l_856;
a_41[u32(3)] = l_858;
}
l_mut_46 = l_mut_46 + u32(32);
}
a_859[u32(0)] = f32(1.0);
a_859[u32(1)] = f32(1.0);
a_859[u32(2)] = f32(1.0);
a_859[u32(3)] = f32(1.0);
let l_860 = local_idx % u32(16);
let l_861 = local_idx / u32(16);
let l_862 = l_861 * u32(4);
let l_863 = l_34 + l_862;
let l_864 = l_863 + u32(0);
let l_865 = l_864 < info.scalars_u32[3];
if l_865 {
let l_866 = l_864 / u32(1);
let l_867 = l_866 * l_29;
let l_868 = l_33 + l_867;
let l_869 = l_864 % u32(1);
let l_870 = l_869 * u32(8);
let l_871 = l_868 + l_870;
let l_872 = u32(0) + l_860;
let l_873 = l_872 < u32(8);
if l_873 {
let l_874 = l_871 + l_872;
let l_875 = a_41[u32(0)];
let l_876 = a_859[u32(0)];
let l_877 = l_875 * l_876;
buffer_5_global[l_874] = l_877;
}
}
let l_878 = l_861 * u32(4);
let l_879 = l_34 + l_878;
let l_880 = l_879 + u32(1);
let l_881 = l_880 < info.scalars_u32[3];
if l_881 {
let l_882 = l_880 / u32(1);
let l_883 = l_882 * l_29;
let l_884 = l_33 + l_883;
let l_885 = l_880 % u32(1);
let l_886 = l_885 * u32(8);
let l_887 = l_884 + l_886;
let l_888 = u32(0) + l_860;
let l_889 = l_888 < u32(8);
if l_889 {
let l_890 = l_887 + l_888;
let l_891 = a_41[u32(1)];
let l_892 = a_859[u32(1)];
let l_893 = l_891 * l_892;
buffer_5_global[l_890] = l_893;
}
}
let l_894 = l_861 * u32(4);
let l_895 = l_34 + l_894;
let l_896 = l_895 + u32(2);
let l_897 = l_896 < info.scalars_u32[3];
if l_897 {
let l_898 = l_896 / u32(1);
let l_899 = l_898 * l_29;
let l_900 = l_33 + l_899;
let l_901 = l_896 % u32(1);
let l_902 = l_901 * u32(8);
let l_903 = l_900 + l_902;
let l_904 = u32(0) + l_860;
let l_905 = l_904 < u32(8);
if l_905 {
let l_906 = l_903 + l_904;
let l_907 = a_41[u32(2)];
let l_908 = a_859[u32(2)];
let l_909 = l_907 * l_908;
buffer_5_global[l_906] = l_909;
}
}
let l_910 = l_861 * u32(4);
let l_911 = l_34 + l_910;
let l_912 = l_911 + u32(3);
let l_913 = l_912 < info.scalars_u32[3];
if l_913 {
let l_914 = l_912 / u32(1);
let l_915 = l_914 * l_29;
let l_916 = l_33 + l_915;
let l_917 = l_912 % u32(1);
let l_918 = l_917 * u32(8);
let l_919 = l_916 + l_918;
let l_920 = u32(0) + l_860;
let l_921 = l_920 < u32(8);
if l_921 {
let l_922 = l_919 + l_920;
let l_923 = a_41[u32(3)];
let l_924 = a_859[u32(3)];
let l_925 = l_923 * l_924;
buffer_5_global[l_922] = l_925;
}
}
a_926[u32(0)] = f32(1.0);
a_926[u32(1)] = f32(1.0);
a_926[u32(2)] = f32(1.0);
a_926[u32(3)] = f32(1.0);
let l_927 = local_idx % u32(16);
let l_928 = local_idx / u32(16);
let l_929 = l_928 * u32(4);
let l_930 = l_34 + l_929;
let l_931 = l_930 + u32(0);
let l_932 = l_931 < info.scalars_u32[3];
if l_932 {
let l_933 = l_931 / u32(1);
let l_934 = l_933 * l_29;
let l_935 = l_33 + l_934;
let l_936 = l_931 % u32(1);
let l_937 = l_936 * u32(8);
let l_938 = l_935 + l_937;
let l_939 = u32(0) + l_927;
let l_940 = l_939 < u32(8);
if l_940 {
let l_941 = l_938 + l_939;
let l_942 = a_42[u32(0)];
let l_943 = a_926[u32(0)];
let l_944 = l_942 * l_943;
buffer_6_global[l_941] = l_944;
}
}
let l_945 = l_928 * u32(4);
let l_946 = l_34 + l_945;
let l_947 = l_946 + u32(1);
let l_948 = l_947 < info.scalars_u32[3];
if l_948 {
let l_949 = l_947 / u32(1);
let l_950 = l_949 * l_29;
let l_951 = l_33 + l_950;
let l_952 = l_947 % u32(1);
let l_953 = l_952 * u32(8);
let l_954 = l_951 + l_953;
let l_955 = u32(0) + l_927;
let l_956 = l_955 < u32(8);
if l_956 {
let l_957 = l_954 + l_955;
let l_958 = a_42[u32(1)];
let l_959 = a_926[u32(1)];
let l_960 = l_958 * l_959;
buffer_6_global[l_957] = l_960;
}
}
let l_961 = l_928 * u32(4);
let l_962 = l_34 + l_961;
let l_963 = l_962 + u32(2);
let l_964 = l_963 < info.scalars_u32[3];
if l_964 {
let l_965 = l_963 / u32(1);
let l_966 = l_965 * l_29;
let l_967 = l_33 + l_966;
let l_968 = l_963 % u32(1);
let l_969 = l_968 * u32(8);
let l_970 = l_967 + l_969;
let l_971 = u32(0) + l_927;
let l_972 = l_971 < u32(8);
if l_972 {
let l_973 = l_970 + l_971;
let l_974 = a_42[u32(2)];
let l_975 = a_926[u32(2)];
let l_976 = l_974 * l_975;
buffer_6_global[l_973] = l_976;
}
}
let l_977 = l_928 * u32(4);
let l_978 = l_34 + l_977;
let l_979 = l_978 + u32(3);
let l_980 = l_979 < info.scalars_u32[3];
if l_980 {
let l_981 = l_979 / u32(1);
let l_982 = l_981 * l_29;
let l_983 = l_33 + l_982;
let l_984 = l_979 % u32(1);
let l_985 = l_984 * u32(8);
let l_986 = l_983 + l_985;
let l_987 = u32(0) + l_927;
let l_988 = l_987 < u32(8);
if l_988 {
let l_989 = l_986 + l_987;
let l_990 = a_42[u32(3)];
let l_991 = a_926[u32(3)];
let l_992 = l_990 * l_991;
buffer_6_global[l_989] = l_992;
}
}
}
