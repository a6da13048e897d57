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
var<storage, read_write> buffer_3_global: array<i32>;

@group(0)
@binding(4)
var<storage, read_write> buffer_4_global: array<f32>;

@group(0)
@binding(5)
var<storage, read_write> buffer_5_global: array<f32>;

struct info_st {
   scalars_f32: array<f32, 2>,
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 12>,
}

@group(0)
@binding(6)
var<storage, read> info: info_st;

var<workgroup> shared_memory_43: array<f32, 2112>;

var<workgroup> shared_memory_44: array<f32, 1056>;

var<workgroup> shared_memory_45: array<f32, 128>;

var<workgroup> shared_memory_46: array<f32, 32>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn forward_i_i32(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_54: array<f32, 4>;

var a_60: array<f32, 8>;

var a_151: array<f32, 2>;

var a_526: array<f32, 1>;

var a_568: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_348: f32;
var l_mut_350: f32;
var l_mut_55: f32;
var l_mut_56: f32;
var l_mut_57: u32;
var l_mut_67: f32;
let l_0 = info.scalars_u32[0] * u32(3);
let l_1 = l_0 + u32(32);
let l_2 = l_1 - u32(1);
let l_3 = l_2 / u32(32);
let l_4 = info.static_meta[u32(9)];
let l_5 = l_4 / u32(2);
let l_6 = l_3 * info.scalars_u32[2];
let l_7 = workgroup_id_no_axis / l_6;
let l_8 = workgroup_id_no_axis / l_3;
let l_9 = l_8 % info.scalars_u32[2];
let l_10 = l_7 % l_5;
let l_11 = u32(0) + l_10;
let l_12 = buffer_3_global[l_11];
let l_13 = u32(l_12);
let l_14 = l_5 + l_11;
let l_15 = buffer_3_global[l_14];
let l_16 = u32(l_15);
let l_17 = workgroup_id_no_axis % l_3;
let l_18 = l_7 >= l_5;
if l_18 {
return;
}
let l_19 = info.scalars_u32[2] * u32(3);
let l_20 = l_19 * u32(8);
let l_21 = l_7 * info.scalars_u32[0];
let l_22 = l_21 * l_20;
let l_23 = l_9 * u32(3);
let l_24 = l_23 * u32(8);
let l_25 = l_22 + l_24;
let l_26 = info.scalars_u32[0] * u32(3);
let l_27 = l_3 - u32(1);
let l_28 = l_27 - l_17;
let l_29 = l_28 * u32(32);
let l_30 = l_26 - u32(1);
let l_31 = l_29 + u32(32);
let l_32 = l_31 - u32(1);
let l_33 = min(l_32, l_30);
let l_34 = l_33 / u32(3);
let l_35 = l_16 + l_34;
let l_36 = l_35 + u32(1);
let l_37 = min(l_36, info.scalars_u32[1]);
let l_38 = info.scalars_u32[2] * u32(8);
let l_39 = l_7 * info.scalars_u32[1];
let l_40 = l_39 * l_38;
let l_41 = l_9 * u32(8);
let l_42 = l_40 + l_41;
let l_47 = local_idx / u32(16);
let l_48 = local_idx % u32(16);
let l_49 = local_idx / u32(4);
let l_50 = local_idx % u32(4);
let l_51 = l_29 + l_49;
let l_52 = l_51 / u32(3);
let l_53 = l_16 + l_52;
a_54[u32(0)] = f32(0.0);
a_54[u32(1)] = f32(0.0);
a_54[u32(2)] = f32(0.0);
a_54[u32(3)] = f32(0.0);
l_mut_55 = f32(-1.0000000150474662e30);
l_mut_56 = f32(0.0);
l_mut_57 = l_13;
loop {
let l_58 = l_mut_57 < l_37;
let l_59 = !l_58;
if l_59 {
break;
}
a_60[u32(0)] = f32(0.0);
a_60[u32(1)] = f32(0.0);
a_60[u32(2)] = f32(0.0);
a_60[u32(3)] = f32(0.0);
a_60[u32(4)] = f32(0.0);
a_60[u32(5)] = f32(0.0);
a_60[u32(6)] = f32(0.0);
a_60[u32(7)] = f32(0.0);
let l_61 = local_idx % u32(16);
let l_62 = local_idx / u32(16);
workgroupBarrier();
let l_63 = u32(0) * u32(8);
let l_64 = local_idx + u32(0);
let l_65 = l_64 / u32(8);
let l_66 = l_64 % u32(8);
l_mut_67 = f32(0.0);
let l_68 = l_29 + l_65;
let l_69 = l_68 < l_26;
let l_70 = l_63 + l_66;
let l_71 = l_70 < u32(8);
let l_72 = l_69 && l_71;
if l_72 {
let l_73 = l_29 + l_65;
let l_74 = l_73 / u32(3);
let l_75 = l_74 * l_20;
let l_76 = l_25 + l_75;
let l_77 = l_73 % u32(3);
let l_78 = l_77 * u32(8);
let l_79 = l_76 + l_78;
let l_80 = l_79 + l_63;
let l_81 = l_80 + l_66;
let l_82 = buffer_0_global[l_81];
l_mut_67 = l_82;
}
let l_83 = l_66 * u32(33);
let l_84 = u32(0) + l_83;
let l_85 = l_84 + l_65;
shared_memory_43[l_85] = l_mut_67;
let l_86 = local_idx + u32(128);
let l_87 = l_86 / u32(8);
let l_88 = l_86 % u32(8);
l_mut_67 = f32(0.0);
let l_89 = l_29 + l_87;
let l_90 = l_89 < l_26;
let l_91 = l_63 + l_88;
let l_92 = l_91 < u32(8);
let l_93 = l_90 && l_92;
if l_93 {
let l_94 = l_29 + l_87;
let l_95 = l_94 / u32(3);
let l_96 = l_95 * l_20;
let l_97 = l_25 + l_96;
let l_98 = l_94 % u32(3);
let l_99 = l_98 * u32(8);
let l_100 = l_97 + l_99;
let l_101 = l_100 + l_63;
let l_102 = l_101 + l_88;
let l_103 = buffer_0_global[l_102];
l_mut_67 = l_103;
}
let l_104 = l_88 * u32(33);
let l_105 = u32(0) + l_104;
let l_106 = l_105 + l_87;
shared_memory_43[l_106] = l_mut_67;
let l_107 = u32(0) * u32(8);
let l_108 = local_idx + u32(0);
let l_109 = l_108 / u32(8);
let l_110 = l_108 % u32(8);
l_mut_67 = f32(0.0);
let l_111 = l_mut_57 + l_109;
let l_112 = l_111 < l_37;
let l_113 = l_107 + l_110;
let l_114 = l_113 < u32(8);
let l_115 = l_112 && l_114;
if l_115 {
let l_116 = l_mut_57 + l_109;
let l_117 = l_116 / u32(1);
let l_118 = l_117 * l_38;
let l_119 = l_42 + l_118;
let l_120 = l_116 % u32(1);
let l_121 = l_120 * u32(8);
let l_122 = l_119 + l_121;
let l_123 = l_122 + l_107;
let l_124 = l_123 + l_110;
let l_125 = buffer_1_global[l_124];
l_mut_67 = l_125;
}
let l_126 = l_110 * u32(33);
let l_127 = u32(1056) + l_126;
let l_128 = l_127 + l_109;
shared_memory_43[l_128] = l_mut_67;
let l_129 = local_idx + u32(128);
let l_130 = l_129 / u32(8);
let l_131 = l_129 % u32(8);
l_mut_67 = f32(0.0);
let l_132 = l_mut_57 + l_130;
let l_133 = l_132 < l_37;
let l_134 = l_107 + l_131;
let l_135 = l_134 < u32(8);
let l_136 = l_133 && l_135;
if l_136 {
let l_137 = l_mut_57 + l_130;
let l_138 = l_137 / u32(1);
let l_139 = l_138 * l_38;
let l_140 = l_42 + l_139;
let l_141 = l_137 % u32(1);
let l_142 = l_141 * u32(8);
let l_143 = l_140 + l_142;
let l_144 = l_143 + l_107;
let l_145 = l_144 + l_131;
let l_146 = buffer_1_global[l_145];
l_mut_67 = l_146;
}
let l_147 = l_131 * u32(33);
let l_148 = u32(1056) + l_147;
let l_149 = l_148 + l_130;
shared_memory_43[l_149] = l_mut_67;
workgroupBarrier();

for (var l_mut_150: u32 = u32(0); l_mut_150 < u32(8); l_mut_150++) {
let l_152 = l_mut_150 * u32(33);
let l_153 = u32(1056) + l_152;
let l_154 = l_153 + u32(0);
let l_155 = l_154 + l_61;
let l_156 = shared_memory_43[l_155];
a_151[u32(0)] = l_156;
let l_157 = l_mut_150 * u32(33);
let l_158 = u32(1056) + l_157;
let l_159 = l_158 + u32(16);
let l_160 = l_159 + l_61;
let l_161 = shared_memory_43[l_160];
a_151[u32(1)] = l_161;
let l_162 = l_mut_150 * u32(33);
let l_163 = l_62 * u32(4);
let l_164 = l_162 + l_163;
let l_165 = l_164 + u32(0);
let l_166 = shared_memory_43[l_165];
let l_167 = a_151[u32(0)];
let l_168 = l_166 * l_167;
let l_169 = a_60[u32(0)];
let l_170 = l_169 + l_168;
a_60[u32(0)] = l_170;
let l_171 = a_151[u32(1)];
let l_172 = l_166 * l_171;
let l_173 = a_60[u32(1)];
let l_174 = l_173 + l_172;
a_60[u32(1)] = l_174;
let l_175 = l_mut_150 * u32(33);
let l_176 = l_62 * u32(4);
let l_177 = l_175 + l_176;
let l_178 = l_177 + u32(1);
let l_179 = shared_memory_43[l_178];
let l_180 = a_151[u32(0)];
let l_181 = l_179 * l_180;
let l_182 = a_60[u32(2)];
let l_183 = l_182 + l_181;
a_60[u32(2)] = l_183;
let l_184 = a_151[u32(1)];
let l_185 = l_179 * l_184;
let l_186 = a_60[u32(3)];
let l_187 = l_186 + l_185;
a_60[u32(3)] = l_187;
let l_188 = l_mut_150 * u32(33);
let l_189 = l_62 * u32(4);
let l_190 = l_188 + l_189;
let l_191 = l_190 + u32(2);
let l_192 = shared_memory_43[l_191];
let l_193 = a_151[u32(0)];
let l_194 = l_192 * l_193;
let l_195 = a_60[u32(4)];
let l_196 = l_195 + l_194;
a_60[u32(4)] = l_196;
let l_197 = a_151[u32(1)];
let l_198 = l_192 * l_197;
let l_199 = a_60[u32(5)];
let l_200 = l_199 + l_198;
a_60[u32(5)] = l_200;
let l_201 = l_mut_150 * u32(33);
let l_202 = l_62 * u32(4);
let l_203 = l_201 + l_202;
let l_204 = l_203 + u32(3);
let l_205 = shared_memory_43[l_204];
let l_206 = a_151[u32(0)];
let l_207 = l_205 * l_206;
let l_208 = a_60[u32(6)];
let l_209 = l_208 + l_207;
a_60[u32(6)] = l_209;
let l_210 = a_151[u32(1)];
let l_211 = l_205 * l_210;
let l_212 = a_60[u32(7)];
let l_213 = l_212 + l_211;
a_60[u32(7)] = l_213;
}
let l_214 = l_47 * u32(4);
let l_215 = l_214 + u32(0);
let l_216 = l_215 * u32(33);
let l_217 = l_216 + u32(0);
let l_218 = l_217 + l_48;
let l_219 = a_60[u32(0)];
let l_220 = l_219 * info.scalars_f32[0];
shared_memory_44[l_218] = l_220;
let l_221 = l_47 * u32(4);
let l_222 = l_221 + u32(0);
let l_223 = l_222 * u32(33);
let l_224 = l_223 + u32(16);
let l_225 = l_224 + l_48;
let l_226 = a_60[u32(1)];
let l_227 = l_226 * info.scalars_f32[0];
shared_memory_44[l_225] = l_227;
let l_228 = l_47 * u32(4);
let l_229 = l_228 + u32(1);
let l_230 = l_229 * u32(33);
let l_231 = l_230 + u32(0);
let l_232 = l_231 + l_48;
let l_233 = a_60[u32(2)];
let l_234 = l_233 * info.scalars_f32[0];
shared_memory_44[l_232] = l_234;
let l_235 = l_47 * u32(4);
let l_236 = l_235 + u32(1);
let l_237 = l_236 * u32(33);
let l_238 = l_237 + u32(16);
let l_239 = l_238 + l_48;
let l_240 = a_60[u32(3)];
let l_241 = l_240 * info.scalars_f32[0];
shared_memory_44[l_239] = l_241;
let l_242 = l_47 * u32(4);
let l_243 = l_242 + u32(2);
let l_244 = l_243 * u32(33);
let l_245 = l_244 + u32(0);
let l_246 = l_245 + l_48;
let l_247 = a_60[u32(4)];
let l_248 = l_247 * info.scalars_f32[0];
shared_memory_44[l_246] = l_248;
let l_249 = l_47 * u32(4);
let l_250 = l_249 + u32(2);
let l_251 = l_250 * u32(33);
let l_252 = l_251 + u32(16);
let l_253 = l_252 + l_48;
let l_254 = a_60[u32(5)];
let l_255 = l_254 * info.scalars_f32[0];
shared_memory_44[l_253] = l_255;
let l_256 = l_47 * u32(4);
let l_257 = l_256 + u32(3);
let l_258 = l_257 * u32(33);
let l_259 = l_258 + u32(0);
let l_260 = l_259 + l_48;
let l_261 = a_60[u32(6)];
let l_262 = l_261 * info.scalars_f32[0];
shared_memory_44[l_260] = l_262;
let l_263 = l_47 * u32(4);
let l_264 = l_263 + u32(3);
let l_265 = l_264 * u32(33);
let l_266 = l_265 + u32(16);
let l_267 = l_266 + l_48;
let l_268 = a_60[u32(7)];
let l_269 = l_268 * info.scalars_f32[0];
shared_memory_44[l_267] = l_269;
workgroupBarrier();
let l_270 = l_mut_55;
l_mut_67 = l_270;
let l_271 = u32(0) + l_50;
let l_272 = l_mut_57 + l_271;
let l_273 = l_272 <= l_53;
if l_273 {
let l_274 = l_49 * u32(33);
let l_275 = l_274 + l_271;
let l_276 = shared_memory_44[l_275];
let l_277 = max(l_mut_67, l_276);
l_mut_67 = l_277;
}
let l_278 = u32(4) + l_50;
let l_279 = l_mut_57 + l_278;
let l_280 = l_279 <= l_53;
if l_280 {
let l_281 = l_49 * u32(33);
let l_282 = l_281 + l_278;
let l_283 = shared_memory_44[l_282];
let l_284 = max(l_mut_67, l_283);
l_mut_67 = l_284;
}
let l_285 = u32(8) + l_50;
let l_286 = l_mut_57 + l_285;
let l_287 = l_286 <= l_53;
if l_287 {
let l_288 = l_49 * u32(33);
let l_289 = l_288 + l_285;
let l_290 = shared_memory_44[l_289];
let l_291 = max(l_mut_67, l_290);
l_mut_67 = l_291;
}
let l_292 = u32(12) + l_50;
let l_293 = l_mut_57 + l_292;
let l_294 = l_293 <= l_53;
if l_294 {
let l_295 = l_49 * u32(33);
let l_296 = l_295 + l_292;
let l_297 = shared_memory_44[l_296];
let l_298 = max(l_mut_67, l_297);
l_mut_67 = l_298;
}
let l_299 = u32(16) + l_50;
let l_300 = l_mut_57 + l_299;
let l_301 = l_300 <= l_53;
if l_301 {
let l_302 = l_49 * u32(33);
let l_303 = l_302 + l_299;
let l_304 = shared_memory_44[l_303];
let l_305 = max(l_mut_67, l_304);
l_mut_67 = l_305;
}
let l_306 = u32(20) + l_50;
let l_307 = l_mut_57 + l_306;
let l_308 = l_307 <= l_53;
if l_308 {
let l_309 = l_49 * u32(33);
let l_310 = l_309 + l_306;
let l_311 = shared_memory_44[l_310];
let l_312 = max(l_mut_67, l_311);
l_mut_67 = l_312;
}
let l_313 = u32(24) + l_50;
let l_314 = l_mut_57 + l_313;
let l_315 = l_314 <= l_53;
if l_315 {
let l_316 = l_49 * u32(33);
let l_317 = l_316 + l_313;
let l_318 = shared_memory_44[l_317];
let l_319 = max(l_mut_67, l_318);
l_mut_67 = l_319;
}
let l_320 = u32(28) + l_50;
let l_321 = l_mut_57 + l_320;
let l_322 = l_321 <= l_53;
if l_322 {
let l_323 = l_49 * u32(33);
let l_324 = l_323 + l_320;
let l_325 = shared_memory_44[l_324];
let l_326 = max(l_mut_67, l_325);
l_mut_67 = l_326;
}
shared_memory_45[local_idx] = l_mut_67;
workgroupBarrier();
let l_327 = l_49 * u32(4);
let l_328 = l_327 + u32(0);
let l_329 = shared_memory_45[l_328];
let l_330 = max(l_mut_67, l_329);
l_mut_67 = l_330;
let l_331 = l_49 * u32(4);
let l_332 = l_331 + u32(1);
let l_333 = shared_memory_45[l_332];
let l_334 = max(l_mut_67, l_333);
l_mut_67 = l_334;
let l_335 = l_49 * u32(4);
let l_336 = l_335 + u32(2);
let l_337 = shared_memory_45[l_336];
let l_338 = max(l_mut_67, l_337);
l_mut_67 = l_338;
let l_339 = l_49 * u32(4);
let l_340 = l_339 + u32(3);
let l_341 = shared_memory_45[l_340];
let l_342 = max(l_mut_67, l_341);
l_mut_67 = l_342;
let l_343 = l_mut_55;
let l_344 = l_343 - l_mut_67;
let l_345 = exp(l_344);
let l_346 = l_mut_56;
let l_347 = l_346 * l_345;
l_mut_348 = l_347;
let l_349 = u32(0) + l_50;
l_mut_350 = f32(0.0);
let l_351 = l_mut_57 + l_349;
let l_352 = l_351 <= l_53;
if l_352 {
let l_353 = l_49 * u32(33);
let l_354 = l_353 + l_349;
let l_355 = shared_memory_44[l_354];
let l_356 = l_355 - l_mut_67;
let l_357 = exp(l_356);
l_mut_350 = l_357;
}
let l_358 = l_49 * u32(33);
let l_359 = l_358 + l_349;
shared_memory_44[l_359] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_360 = u32(4) + l_50;
l_mut_350 = f32(0.0);
let l_361 = l_mut_57 + l_360;
let l_362 = l_361 <= l_53;
if l_362 {
let l_363 = l_49 * u32(33);
let l_364 = l_363 + l_360;
let l_365 = shared_memory_44[l_364];
let l_366 = l_365 - l_mut_67;
let l_367 = exp(l_366);
l_mut_350 = l_367;
}
let l_368 = l_49 * u32(33);
let l_369 = l_368 + l_360;
shared_memory_44[l_369] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_370 = u32(8) + l_50;
l_mut_350 = f32(0.0);
let l_371 = l_mut_57 + l_370;
let l_372 = l_371 <= l_53;
if l_372 {
let l_373 = l_49 * u32(33);
let l_374 = l_373 + l_370;
let l_375 = shared_memory_44[l_374];
let l_376 = l_375 - l_mut_67;
let l_377 = exp(l_376);
l_mut_350 = l_377;
}
let l_378 = l_49 * u32(33);
let l_379 = l_378 + l_370;
shared_memory_44[l_379] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_380 = u32(12) + l_50;
l_mut_350 = f32(0.0);
let l_381 = l_mut_57 + l_380;
let l_382 = l_381 <= l_53;
if l_382 {
let l_383 = l_49 * u32(33);
let l_384 = l_383 + l_380;
let l_385 = shared_memory_44[l_384];
let l_386 = l_385 - l_mut_67;
let l_387 = exp(l_386);
l_mut_350 = l_387;
}
let l_388 = l_49 * u32(33);
let l_389 = l_388 + l_380;
shared_memory_44[l_389] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_390 = u32(16) + l_50;
l_mut_350 = f32(0.0);
let l_391 = l_mut_57 + l_390;
let l_392 = l_391 <= l_53;
if l_392 {
let l_393 = l_49 * u32(33);
let l_394 = l_393 + l_390;
let l_395 = shared_memory_44[l_394];
let l_396 = l_395 - l_mut_67;
let l_397 = exp(l_396);
l_mut_350 = l_397;
}
let l_398 = l_49 * u32(33);
let l_399 = l_398 + l_390;
shared_memory_44[l_399] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_400 = u32(20) + l_50;
l_mut_350 = f32(0.0);
let l_401 = l_mut_57 + l_400;
let l_402 = l_401 <= l_53;
if l_402 {
let l_403 = l_49 * u32(33);
let l_404 = l_403 + l_400;
let l_405 = shared_memory_44[l_404];
let l_406 = l_405 - l_mut_67;
let l_407 = exp(l_406);
l_mut_350 = l_407;
}
let l_408 = l_49 * u32(33);
let l_409 = l_408 + l_400;
shared_memory_44[l_409] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_410 = u32(24) + l_50;
l_mut_350 = f32(0.0);
let l_411 = l_mut_57 + l_410;
let l_412 = l_411 <= l_53;
if l_412 {
let l_413 = l_49 * u32(33);
let l_414 = l_413 + l_410;
let l_415 = shared_memory_44[l_414];
let l_416 = l_415 - l_mut_67;
let l_417 = exp(l_416);
l_mut_350 = l_417;
}
let l_418 = l_49 * u32(33);
let l_419 = l_418 + l_410;
shared_memory_44[l_419] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_420 = u32(28) + l_50;
l_mut_350 = f32(0.0);
let l_421 = l_mut_57 + l_420;
let l_422 = l_421 <= l_53;
if l_422 {
let l_423 = l_49 * u32(33);
let l_424 = l_423 + l_420;
let l_425 = shared_memory_44[l_424];
let l_426 = l_425 - l_mut_67;
let l_427 = exp(l_426);
l_mut_350 = l_427;
}
let l_428 = l_49 * u32(33);
let l_429 = l_428 + l_420;
shared_memory_44[l_429] = l_mut_350;
l_mut_348 = l_mut_348 + l_mut_350;
let l_430 = l_50 == u32(0);
if l_430 {
shared_memory_46[l_49] = l_345;
}
l_mut_55 = l_mut_67;
l_mut_56 = l_mut_348;
workgroupBarrier();
let l_431 = l_47 * u32(4);
let l_432 = l_431 + u32(0);
let l_433 = shared_memory_46[l_432];
let l_434 = a_54[u32(0)];
let l_435 = l_434 * l_433;
a_54[u32(0)] = l_435;
let l_436 = l_47 * u32(4);
let l_437 = l_436 + u32(1);
let l_438 = shared_memory_46[l_437];
let l_439 = a_54[u32(1)];
let l_440 = l_439 * l_438;
a_54[u32(1)] = l_440;
let l_441 = l_47 * u32(4);
let l_442 = l_441 + u32(2);
let l_443 = shared_memory_46[l_442];
let l_444 = a_54[u32(2)];
let l_445 = l_444 * l_443;
a_54[u32(2)] = l_445;
let l_446 = l_47 * u32(4);
let l_447 = l_446 + u32(3);
let l_448 = shared_memory_46[l_447];
let l_449 = a_54[u32(3)];
let l_450 = l_449 * l_448;
a_54[u32(3)] = l_450;
let l_451 = local_idx % u32(16);
let l_452 = local_idx / u32(16);
workgroupBarrier();
let l_453 = local_idx + u32(0);
let l_454 = l_453 / u32(16);
let l_455 = l_453 % u32(16);
l_mut_350 = f32(0.0);
let l_456 = l_mut_57 + l_454;
let l_457 = l_456 < l_37;
let l_458 = u32(0) + l_455;
let l_459 = l_458 < u32(8);
let l_460 = l_457 && l_459;
if l_460 {
let l_461 = l_mut_57 + l_454;
let l_462 = l_461 / u32(1);
let l_463 = l_462 * l_38;
let l_464 = l_42 + l_463;
let l_465 = l_461 % u32(1);
let l_466 = l_465 * u32(8);
let l_467 = l_464 + l_466;
let l_468 = l_467 + u32(0);
let l_469 = l_468 + l_455;
let l_470 = buffer_2_global[l_469];
l_mut_350 = l_470;
}
shared_memory_43[l_453] = l_mut_350;
let l_471 = local_idx + u32(128);
let l_472 = l_471 / u32(16);
let l_473 = l_471 % u32(16);
l_mut_350 = f32(0.0);
let l_474 = l_mut_57 + l_472;
let l_475 = l_474 < l_37;
let l_476 = u32(0) + l_473;
let l_477 = l_476 < u32(8);
let l_478 = l_475 && l_477;
if l_478 {
let l_479 = l_mut_57 + l_472;
let l_480 = l_479 / u32(1);
let l_481 = l_480 * l_38;
let l_482 = l_42 + l_481;
let l_483 = l_479 % u32(1);
let l_484 = l_483 * u32(8);
let l_485 = l_482 + l_484;
let l_486 = l_485 + u32(0);
let l_487 = l_486 + l_473;
let l_488 = buffer_2_global[l_487];
l_mut_350 = l_488;
}
shared_memory_43[l_471] = l_mut_350;
let l_489 = local_idx + u32(256);
let l_490 = l_489 / u32(16);
let l_491 = l_489 % u32(16);
l_mut_350 = f32(0.0);
let l_492 = l_mut_57 + l_490;
let l_493 = l_492 < l_37;
let l_494 = u32(0) + l_491;
let l_495 = l_494 < u32(8);
let l_496 = l_493 && l_495;
if l_496 {
let l_497 = l_mut_57 + l_490;
let l_498 = l_497 / u32(1);
let l_499 = l_498 * l_38;
let l_500 = l_42 + l_499;
let l_501 = l_497 % u32(1);
let l_502 = l_501 * u32(8);
let l_503 = l_500 + l_502;
let l_504 = l_503 + u32(0);
let l_505 = l_504 + l_491;
let l_506 = buffer_2_global[l_505];
l_mut_350 = l_506;
}
shared_memory_43[l_489] = l_mut_350;
let l_507 = local_idx + u32(384);
let l_508 = l_507 / u32(16);
let l_509 = l_507 % u32(16);
l_mut_350 = f32(0.0);
let l_510 = l_mut_57 + l_508;
let l_511 = l_510 < l_37;
let l_512 = u32(0) + l_509;
let l_513 = l_512 < u32(8);
let l_514 = l_511 && l_513;
if l_514 {
let l_515 = l_mut_57 + l_508;
let l_516 = l_515 / u32(1);
let l_517 = l_516 * l_38;
let l_518 = l_42 + l_517;
let l_519 = l_515 % u32(1);
let l_520 = l_519 * u32(8);
let l_521 = l_518 + l_520;
let l_522 = l_521 + u32(0);
let l_523 = l_522 + l_509;
let l_524 = buffer_2_global[l_523];
l_mut_350 = l_524;
}
shared_memory_43[l_507] = l_mut_350;
workgroupBarrier();

for (var l_mut_525: u32 = u32(0); l_mut_525 < u32(32); l_mut_525++) {
let l_527 = l_mut_525 * u32(16);
let l_528 = l_527 + u32(0);
let l_529 = l_528 + l_451;
let l_530 = shared_memory_43[l_529];
a_526[u32(0)] = l_530;
let l_531 = l_452 * u32(4);
let l_532 = l_531 + u32(0);
let l_533 = l_532 * u32(33);
let l_534 = l_533 + l_mut_525;
let l_535 = shared_memory_44[l_534];
let l_536 = a_526[u32(0)];
let l_537 = l_535 * l_536;
let l_538 = a_54[u32(0)];
let l_539 = l_538 + l_537;
a_54[u32(0)] = l_539;
let l_540 = l_452 * u32(4);
let l_541 = l_540 + u32(1);
let l_542 = l_541 * u32(33);
let l_543 = l_542 + l_mut_525;
let l_544 = shared_memory_44[l_543];
let l_545 = a_526[u32(0)];
let l_546 = l_544 * l_545;
let l_547 = a_54[u32(1)];
let l_548 = l_547 + l_546;
a_54[u32(1)] = l_548;
let l_549 = l_452 * u32(4);
let l_550 = l_549 + u32(2);
let l_551 = l_550 * u32(33);
let l_552 = l_551 + l_mut_525;
let l_553 = shared_memory_44[l_552];
let l_554 = a_526[u32(0)];
let l_555 = l_553 * l_554;
let l_556 = a_54[u32(2)];
let l_557 = l_556 + l_555;
a_54[u32(2)] = l_557;
let l_558 = l_452 * u32(4);
let l_559 = l_558 + u32(3);
let l_560 = l_559 * u32(33);
let l_561 = l_560 + l_mut_525;
let l_562 = shared_memory_44[l_561];
let l_563 = a_526[u32(0)];
let l_564 = l_562 * l_563;
let l_565 = a_54[u32(3)];
let l_566 = l_565 + l_564;
a_54[u32(3)] = l_566;
}
l_mut_57 = l_mut_57 + u32(32);
}
workgroupBarrier();
let l_567 = l_mut_56;
shared_memory_45[local_idx] = l_567;
workgroupBarrier();
let l_569 = l_47 * u32(4);
let l_570 = l_569 + u32(0);
l_mut_350 = f32(0.0);
let l_571 = l_570 * u32(4);
let l_572 = l_571 + u32(0);
let l_573 = shared_memory_45[l_572];
l_mut_350 = l_mut_350 + l_573;
let l_574 = l_570 * u32(4);
let l_575 = l_574 + u32(1);
let l_576 = shared_memory_45[l_575];
l_mut_350 = l_mut_350 + l_576;
let l_577 = l_570 * u32(4);
let l_578 = l_577 + u32(2);
let l_579 = shared_memory_45[l_578];
l_mut_350 = l_mut_350 + l_579;
let l_580 = l_570 * u32(4);
let l_581 = l_580 + u32(3);
let l_582 = shared_memory_45[l_581];
l_mut_350 = l_mut_350 + l_582;
let l_583 = l_mut_350 == f32(0.0);
let l_584 = f32(1.0) / l_mut_350;
let l_585 = select(l_584, f32(0.0), l_583);
a_568[u32(0)] = l_585;
let l_586 = l_47 * u32(4);
let l_587 = l_586 + u32(1);
l_mut_350 = f32(0.0);
let l_588 = l_587 * u32(4);
let l_589 = l_588 + u32(0);
let l_590 = shared_memory_45[l_589];
l_mut_350 = l_mut_350 + l_590;
let l_591 = l_587 * u32(4);
let l_592 = l_591 + u32(1);
let l_593 = shared_memory_45[l_592];
l_mut_350 = l_mut_350 + l_593;
let l_594 = l_587 * u32(4);
let l_595 = l_594 + u32(2);
let l_596 = shared_memory_45[l_595];
l_mut_350 = l_mut_350 + l_596;
let l_597 = l_587 * u32(4);
let l_598 = l_597 + u32(3);
let l_599 = shared_memory_45[l_598];
l_mut_350 = l_mut_350 + l_599;
let l_600 = l_mut_350 == f32(0.0);
let l_601 = f32(1.0) / l_mut_350;
let l_602 = select(l_601, f32(0.0), l_600);
a_568[u32(1)] = l_602;
let l_603 = l_47 * u32(4);
let l_604 = l_603 + u32(2);
l_mut_350 = f32(0.0);
let l_605 = l_604 * u32(4);
let l_606 = l_605 + u32(0);
let l_607 = shared_memory_45[l_606];
l_mut_350 = l_mut_350 + l_607;
let l_608 = l_604 * u32(4);
let l_609 = l_608 + u32(1);
let l_610 = shared_memory_45[l_609];
l_mut_350 = l_mut_350 + l_610;
let l_611 = l_604 * u32(4);
let l_612 = l_611 + u32(2);
let l_613 = shared_memory_45[l_612];
l_mut_350 = l_mut_350 + l_613;
let l_614 = l_604 * u32(4);
let l_615 = l_614 + u32(3);
let l_616 = shared_memory_45[l_615];
l_mut_350 = l_mut_350 + l_616;
let l_617 = l_mut_350 == f32(0.0);
let l_618 = f32(1.0) / l_mut_350;
let l_619 = select(l_618, f32(0.0), l_617);
a_568[u32(2)] = l_619;
let l_620 = l_47 * u32(4);
let l_621 = l_620 + u32(3);
l_mut_350 = f32(0.0);
let l_622 = l_621 * u32(4);
let l_623 = l_622 + u32(0);
let l_624 = shared_memory_45[l_623];
l_mut_350 = l_mut_350 + l_624;
let l_625 = l_621 * u32(4);
let l_626 = l_625 + u32(1);
let l_627 = shared_memory_45[l_626];
l_mut_350 = l_mut_350 + l_627;
let l_628 = l_621 * u32(4);
let l_629 = l_628 + u32(2);
let l_630 = shared_memory_45[l_629];
l_mut_350 = l_mut_350 + l_630;
let l_631 = l_621 * u32(4);
let l_632 = l_631 + u32(3);
let l_633 = shared_memory_45[l_632];
l_mut_350 = l_mut_350 + l_633;
let l_634 = l_mut_350 == f32(0.0);
let l_635 = f32(1.0) / l_mut_350;
let l_636 = select(l_635, f32(0.0), l_634);
a_568[u32(3)] = l_636;
let l_637 = local_idx % u32(16);
let l_638 = local_idx / u32(16);
let l_639 = l_638 * u32(4);
let l_640 = l_29 + l_639;
let l_641 = l_640 + u32(0);
let l_642 = l_641 < l_26;
if l_642 {
let l_643 = l_641 / u32(3);
let l_644 = l_643 * l_20;
let l_645 = l_25 + l_644;
let l_646 = l_641 % u32(3);
let l_647 = l_646 * u32(8);
let l_648 = l_645 + l_647;
let l_649 = u32(0) + l_637;
let l_650 = l_649 < u32(8);
if l_650 {
let l_651 = l_648 + l_649;
let l_652 = a_54[u32(0)];
let l_653 = a_568[u32(0)];
let l_654 = l_652 * l_653;
buffer_4_global[l_651] = l_654;
}
}
let l_655 = l_638 * u32(4);
let l_656 = l_29 + l_655;
let l_657 = l_656 + u32(1);
let l_658 = l_657 < l_26;
if l_658 {
let l_659 = l_657 / u32(3);
let l_660 = l_659 * l_20;
let l_661 = l_25 + l_660;
let l_662 = l_657 % u32(3);
let l_663 = l_662 * u32(8);
let l_664 = l_661 + l_663;
let l_665 = u32(0) + l_637;
let l_666 = l_665 < u32(8);
if l_666 {
let l_667 = l_664 + l_665;
let l_668 = a_54[u32(1)];
let l_669 = a_568[u32(1)];
let l_670 = l_668 * l_669;
buffer_4_global[l_667] = l_670;
}
}
let l_671 = l_638 * u32(4);
let l_672 = l_29 + l_671;
let l_673 = l_672 + u32(2);
let l_674 = l_673 < l_26;
if l_674 {
let l_675 = l_673 / u32(3);
let l_676 = l_675 * l_20;
let l_677 = l_25 + l_676;
let l_678 = l_673 % u32(3);
let l_679 = l_678 * u32(8);
let l_680 = l_677 + l_679;
let l_681 = u32(0) + l_637;
let l_682 = l_681 < u32(8);
if l_682 {
let l_683 = l_680 + l_681;
let l_684 = a_54[u32(2)];
let l_685 = a_568[u32(2)];
let l_686 = l_684 * l_685;
buffer_4_global[l_683] = l_686;
}
}
let l_687 = l_638 * u32(4);
let l_688 = l_29 + l_687;
let l_689 = l_688 + u32(3);
let l_690 = l_689 < l_26;
if l_690 {
let l_691 = l_689 / u32(3);
let l_692 = l_691 * l_20;
let l_693 = l_25 + l_692;
let l_694 = l_689 % u32(3);
let l_695 = l_694 * u32(8);
let l_696 = l_693 + l_695;
let l_697 = u32(0) + l_637;
let l_698 = l_697 < u32(8);
if l_698 {
let l_699 = l_696 + l_697;
let l_700 = a_54[u32(3)];
let l_701 = a_568[u32(3)];
let l_702 = l_700 * l_701;
buffer_4_global[l_699] = l_702;
}
}
let l_703 = l_50 == u32(0);
let l_704 = l_29 + l_49;
let l_705 = l_704 < l_26;
let l_706 = l_703 && l_705;
if l_706 {
l_mut_350 = f32(0.0);
let l_707 = l_49 * u32(4);
let l_708 = l_707 + u32(0);
let l_709 = shared_memory_45[l_708];
l_mut_350 = l_mut_350 + l_709;
let l_710 = l_49 * u32(4);
let l_711 = l_710 + u32(1);
let l_712 = shared_memory_45[l_711];
l_mut_350 = l_mut_350 + l_712;
let l_713 = l_49 * u32(4);
let l_714 = l_713 + u32(2);
let l_715 = shared_memory_45[l_714];
l_mut_350 = l_mut_350 + l_715;
let l_716 = l_49 * u32(4);
let l_717 = l_716 + u32(3);
let l_718 = shared_memory_45[l_717];
l_mut_350 = l_mut_350 + l_718;
let l_719 = l_mut_350 == f32(0.0);
let l_720 = l_mut_55;
let l_721 = log(l_mut_350);
let l_722 = l_720 + l_721;
let l_723 = select(l_722, f32(0.0), l_719);
let l_724 = l_29 + l_49;
let l_725 = l_7 * info.scalars_u32[2];
let l_726 = l_725 + l_9;
let l_727 = l_726 * u32(3);
let l_728 = l_724 % u32(3);
let l_729 = l_727 + l_728;
let l_730 = l_729 * info.scalars_u32[0];
let l_731 = l_724 / u32(3);
let l_732 = l_730 + l_731;
buffer_5_global[l_732] = l_723;
}
}
