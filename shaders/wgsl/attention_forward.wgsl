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

var<workgroup> shared_memory_44: array<f32, 2112>;

var<workgroup> shared_memory_45: array<f32, 1056>;

var<workgroup> shared_memory_46: array<f32, 128>;

var<workgroup> shared_memory_47: array<f32, 32>;

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
var a_55: array<f32, 4>;

var a_61: array<f32, 8>;

var a_152: array<f32, 2>;

var a_527: array<f32, 1>;

var a_569: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_349: f32;
var l_mut_351: f32;
var l_mut_56: f32;
var l_mut_57: f32;
var l_mut_58: u32;
var l_mut_68: f32;
let l_0 = info.scalars_u32[1] * u32(3);
let l_1 = l_0 + u32(32);
let l_2 = l_1 - u32(1);
let l_3 = l_2 / u32(32);
let l_4 = info.static_meta[u32(9)];
let l_5 = l_4 / u32(2);
let l_6 = info.scalars_u32[0] + workgroup_id_no_axis;
let l_7 = l_3 * info.scalars_u32[3];
let l_8 = l_6 / l_7;
let l_9 = l_6 / l_3;
let l_10 = l_9 % info.scalars_u32[3];
let l_11 = l_8 % l_5;
let l_12 = u32(0) + l_11;
let l_13 = buffer_3_global[l_12];
let l_14 = u32(l_13);
let l_15 = l_5 + l_12;
let l_16 = buffer_3_global[l_15];
let l_17 = u32(l_16);
let l_18 = l_6 % l_3;
let l_19 = l_8 >= l_5;
if l_19 {
return;
}
let l_20 = info.scalars_u32[3] * u32(3);
let l_21 = l_20 * u32(8);
let l_22 = l_8 * info.scalars_u32[1];
let l_23 = l_22 * l_21;
let l_24 = l_10 * u32(3);
let l_25 = l_24 * u32(8);
let l_26 = l_23 + l_25;
let l_27 = info.scalars_u32[1] * u32(3);
let l_28 = l_3 - u32(1);
let l_29 = l_28 - l_18;
let l_30 = l_29 * u32(32);
let l_31 = l_27 - u32(1);
let l_32 = l_30 + u32(32);
let l_33 = l_32 - u32(1);
let l_34 = min(l_33, l_31);
let l_35 = l_34 / u32(3);
let l_36 = l_17 + l_35;
let l_37 = l_36 + u32(1);
let l_38 = min(l_37, info.scalars_u32[2]);
let l_39 = info.scalars_u32[3] * u32(8);
let l_40 = l_8 * info.scalars_u32[2];
let l_41 = l_40 * l_39;
let l_42 = l_10 * u32(8);
let l_43 = l_41 + l_42;
let l_48 = local_idx / u32(16);
let l_49 = local_idx % u32(16);
let l_50 = local_idx / u32(4);
let l_51 = local_idx % u32(4);
let l_52 = l_30 + l_50;
let l_53 = l_52 / u32(3);
let l_54 = l_17 + l_53;
a_55[u32(0)] = f32(0.0);
a_55[u32(1)] = f32(0.0);
a_55[u32(2)] = f32(0.0);
a_55[u32(3)] = f32(0.0);
l_mut_56 = f32(-1.0000000150474662e30);
l_mut_57 = f32(0.0);
l_mut_58 = l_14;
loop {
let l_59 = l_mut_58 < l_38;
let l_60 = !l_59;
if l_60 {
break;
}
a_61[u32(0)] = f32(0.0);
a_61[u32(1)] = f32(0.0);
a_61[u32(2)] = f32(0.0);
a_61[u32(3)] = f32(0.0);
a_61[u32(4)] = f32(0.0);
a_61[u32(5)] = f32(0.0);
a_61[u32(6)] = f32(0.0);
a_61[u32(7)] = f32(0.0);
let l_62 = local_idx % u32(16);
let l_63 = local_idx / u32(16);
workgroupBarrier();
let l_64 = u32(0) * u32(8);
let l_65 = local_idx + u32(0);
let l_66 = l_65 / u32(8);
let l_67 = l_65 % u32(8);
l_mut_68 = f32(0.0);
let l_69 = l_30 + l_66;
let l_70 = l_69 < l_27;
let l_71 = l_64 + l_67;
let l_72 = l_71 < u32(8);
let l_73 = l_70 && l_72;
if l_73 {
let l_74 = l_30 + l_66;
let l_75 = l_74 / u32(3);
let l_76 = l_75 * l_21;
let l_77 = l_26 + l_76;
let l_78 = l_74 % u32(3);
let l_79 = l_78 * u32(8);
let l_80 = l_77 + l_79;
let l_81 = l_80 + l_64;
let l_82 = l_81 + l_67;
let l_83 = buffer_0_global[l_82];
l_mut_68 = l_83;
}
let l_84 = l_67 * u32(33);
let l_85 = u32(0) + l_84;
let l_86 = l_85 + l_66;
shared_memory_44[l_86] = l_mut_68;
let l_87 = local_idx + u32(128);
let l_88 = l_87 / u32(8);
let l_89 = l_87 % u32(8);
l_mut_68 = f32(0.0);
let l_90 = l_30 + l_88;
let l_91 = l_90 < l_27;
let l_92 = l_64 + l_89;
let l_93 = l_92 < u32(8);
let l_94 = l_91 && l_93;
if l_94 {
let l_95 = l_30 + l_88;
let l_96 = l_95 / u32(3);
let l_97 = l_96 * l_21;
let l_98 = l_26 + l_97;
let l_99 = l_95 % u32(3);
let l_100 = l_99 * u32(8);
let l_101 = l_98 + l_100;
let l_102 = l_101 + l_64;
let l_103 = l_102 + l_89;
let l_104 = buffer_0_global[l_103];
l_mut_68 = l_104;
}
let l_105 = l_89 * u32(33);
let l_106 = u32(0) + l_105;
let l_107 = l_106 + l_88;
shared_memory_44[l_107] = l_mut_68;
let l_108 = u32(0) * u32(8);
let l_109 = local_idx + u32(0);
let l_110 = l_109 / u32(8);
let l_111 = l_109 % u32(8);
l_mut_68 = f32(0.0);
let l_112 = l_mut_58 + l_110;
let l_113 = l_112 < l_38;
let l_114 = l_108 + l_111;
let l_115 = l_114 < u32(8);
let l_116 = l_113 && l_115;
if l_116 {
let l_117 = l_mut_58 + l_110;
let l_118 = l_117 / u32(1);
let l_119 = l_118 * l_39;
let l_120 = l_43 + l_119;
let l_121 = l_117 % u32(1);
let l_122 = l_121 * u32(8);
let l_123 = l_120 + l_122;
let l_124 = l_123 + l_108;
let l_125 = l_124 + l_111;
let l_126 = buffer_1_global[l_125];
l_mut_68 = l_126;
}
let l_127 = l_111 * u32(33);
let l_128 = u32(1056) + l_127;
let l_129 = l_128 + l_110;
shared_memory_44[l_129] = l_mut_68;
let l_130 = local_idx + u32(128);
let l_131 = l_130 / u32(8);
let l_132 = l_130 % u32(8);
l_mut_68 = f32(0.0);
let l_133 = l_mut_58 + l_131;
let l_134 = l_133 < l_38;
let l_135 = l_108 + l_132;
let l_136 = l_135 < u32(8);
let l_137 = l_134 && l_136;
if l_137 {
let l_138 = l_mut_58 + l_131;
let l_139 = l_138 / u32(1);
let l_140 = l_139 * l_39;
let l_141 = l_43 + l_140;
let l_142 = l_138 % u32(1);
let l_143 = l_142 * u32(8);
let l_144 = l_141 + l_143;
let l_145 = l_144 + l_108;
let l_146 = l_145 + l_132;
let l_147 = buffer_1_global[l_146];
l_mut_68 = l_147;
}
let l_148 = l_132 * u32(33);
let l_149 = u32(1056) + l_148;
let l_150 = l_149 + l_131;
shared_memory_44[l_150] = l_mut_68;
workgroupBarrier();

for (var l_mut_151: u32 = u32(0); l_mut_151 < u32(8); l_mut_151++) {
let l_153 = l_mut_151 * u32(33);
let l_154 = u32(1056) + l_153;
let l_155 = l_154 + u32(0);
let l_156 = l_155 + l_62;
let l_157 = shared_memory_44[l_156];
a_152[u32(0)] = l_157;
let l_158 = l_mut_151 * u32(33);
let l_159 = u32(1056) + l_158;
let l_160 = l_159 + u32(16);
let l_161 = l_160 + l_62;
let l_162 = shared_memory_44[l_161];
a_152[u32(1)] = l_162;
let l_163 = l_mut_151 * u32(33);
let l_164 = l_63 * u32(4);
let l_165 = l_163 + l_164;
let l_166 = l_165 + u32(0);
let l_167 = shared_memory_44[l_166];
let l_168 = a_152[u32(0)];
let l_169 = l_167 * l_168;
let l_170 = a_61[u32(0)];
let l_171 = l_170 + l_169;
a_61[u32(0)] = l_171;
let l_172 = a_152[u32(1)];
let l_173 = l_167 * l_172;
let l_174 = a_61[u32(1)];
let l_175 = l_174 + l_173;
a_61[u32(1)] = l_175;
let l_176 = l_mut_151 * u32(33);
let l_177 = l_63 * u32(4);
let l_178 = l_176 + l_177;
let l_179 = l_178 + u32(1);
let l_180 = shared_memory_44[l_179];
let l_181 = a_152[u32(0)];
let l_182 = l_180 * l_181;
let l_183 = a_61[u32(2)];
let l_184 = l_183 + l_182;
a_61[u32(2)] = l_184;
let l_185 = a_152[u32(1)];
let l_186 = l_180 * l_185;
let l_187 = a_61[u32(3)];
let l_188 = l_187 + l_186;
a_61[u32(3)] = l_188;
let l_189 = l_mut_151 * u32(33);
let l_190 = l_63 * u32(4);
let l_191 = l_189 + l_190;
let l_192 = l_191 + u32(2);
let l_193 = shared_memory_44[l_192];
let l_194 = a_152[u32(0)];
let l_195 = l_193 * l_194;
let l_196 = a_61[u32(4)];
let l_197 = l_196 + l_195;
a_61[u32(4)] = l_197;
let l_198 = a_152[u32(1)];
let l_199 = l_193 * l_198;
let l_200 = a_61[u32(5)];
let l_201 = l_200 + l_199;
a_61[u32(5)] = l_201;
let l_202 = l_mut_151 * u32(33);
let l_203 = l_63 * u32(4);
let l_204 = l_202 + l_203;
let l_205 = l_204 + u32(3);
let l_206 = shared_memory_44[l_205];
let l_207 = a_152[u32(0)];
let l_208 = l_206 * l_207;
let l_209 = a_61[u32(6)];
let l_210 = l_209 + l_208;
a_61[u32(6)] = l_210;
let l_211 = a_152[u32(1)];
let l_212 = l_206 * l_211;
let l_213 = a_61[u32(7)];
let l_214 = l_213 + l_212;
a_61[u32(7)] = l_214;
}
let l_215 = l_48 * u32(4);
let l_216 = l_215 + u32(0);
let l_217 = l_216 * u32(33);
let l_218 = l_217 + u32(0);
let l_219 = l_218 + l_49;
let l_220 = a_61[u32(0)];
let l_221 = l_220 * info.scalars_f32[0];
shared_memory_45[l_219] = l_221;
let l_222 = l_48 * u32(4);
let l_223 = l_222 + u32(0);
let l_224 = l_223 * u32(33);
let l_225 = l_224 + u32(16);
let l_226 = l_225 + l_49;
let l_227 = a_61[u32(1)];
let l_228 = l_227 * info.scalars_f32[0];
shared_memory_45[l_226] = l_228;
let l_229 = l_48 * u32(4);
let l_230 = l_229 + u32(1);
let l_231 = l_230 * u32(33);
let l_232 = l_231 + u32(0);
let l_233 = l_232 + l_49;
let l_234 = a_61[u32(2)];
let l_235 = l_234 * info.scalars_f32[0];
shared_memory_45[l_233] = l_235;
let l_236 = l_48 * u32(4);
let l_237 = l_236 + u32(1);
let l_238 = l_237 * u32(33);
let l_239 = l_238 + u32(16);
let l_240 = l_239 + l_49;
let l_241 = a_61[u32(3)];
let l_242 = l_241 * info.scalars_f32[0];
shared_memory_45[l_240] = l_242;
let l_243 = l_48 * u32(4);
let l_244 = l_243 + u32(2);
let l_245 = l_244 * u32(33);
let l_246 = l_245 + u32(0);
let l_247 = l_246 + l_49;
let l_248 = a_61[u32(4)];
let l_249 = l_248 * info.scalars_f32[0];
shared_memory_45[l_247] = l_249;
let l_250 = l_48 * u32(4);
let l_251 = l_250 + u32(2);
let l_252 = l_251 * u32(33);
let l_253 = l_252 + u32(16);
let l_254 = l_253 + l_49;
let l_255 = a_61[u32(5)];
let l_256 = l_255 * info.scalars_f32[0];
shared_memory_45[l_254] = l_256;
let l_257 = l_48 * u32(4);
let l_258 = l_257 + u32(3);
let l_259 = l_258 * u32(33);
let l_260 = l_259 + u32(0);
let l_261 = l_260 + l_49;
let l_262 = a_61[u32(6)];
let l_263 = l_262 * info.scalars_f32[0];
shared_memory_45[l_261] = l_263;
let l_264 = l_48 * u32(4);
let l_265 = l_264 + u32(3);
let l_266 = l_265 * u32(33);
let l_267 = l_266 + u32(16);
let l_268 = l_267 + l_49;
let l_269 = a_61[u32(7)];
let l_270 = l_269 * info.scalars_f32[0];
shared_memory_45[l_268] = l_270;
workgroupBarrier();
let l_271 = l_mut_56;
l_mut_68 = l_271;
let l_272 = u32(0) + l_51;
let l_273 = l_mut_58 + l_272;
let l_274 = l_273 <= l_54;
if l_274 {
let l_275 = l_50 * u32(33);
let l_276 = l_275 + l_272;
let l_277 = shared_memory_45[l_276];
let l_278 = max(l_mut_68, l_277);
l_mut_68 = l_278;
}
let l_279 = u32(4) + l_51;
let l_280 = l_mut_58 + l_279;
let l_281 = l_280 <= l_54;
if l_281 {
let l_282 = l_50 * u32(33);
let l_283 = l_282 + l_279;
let l_284 = shared_memory_45[l_283];
let l_285 = max(l_mut_68, l_284);
l_mut_68 = l_285;
}
let l_286 = u32(8) + l_51;
let l_287 = l_mut_58 + l_286;
let l_288 = l_287 <= l_54;
if l_288 {
let l_289 = l_50 * u32(33);
let l_290 = l_289 + l_286;
let l_291 = shared_memory_45[l_290];
let l_292 = max(l_mut_68, l_291);
l_mut_68 = l_292;
}
let l_293 = u32(12) + l_51;
let l_294 = l_mut_58 + l_293;
let l_295 = l_294 <= l_54;
if l_295 {
let l_296 = l_50 * u32(33);
let l_297 = l_296 + l_293;
let l_298 = shared_memory_45[l_297];
let l_299 = max(l_mut_68, l_298);
l_mut_68 = l_299;
}
let l_300 = u32(16) + l_51;
let l_301 = l_mut_58 + l_300;
let l_302 = l_301 <= l_54;
if l_302 {
let l_303 = l_50 * u32(33);
let l_304 = l_303 + l_300;
let l_305 = shared_memory_45[l_304];
let l_306 = max(l_mut_68, l_305);
l_mut_68 = l_306;
}
let l_307 = u32(20) + l_51;
let l_308 = l_mut_58 + l_307;
let l_309 = l_308 <= l_54;
if l_309 {
let l_310 = l_50 * u32(33);
let l_311 = l_310 + l_307;
let l_312 = shared_memory_45[l_311];
let l_313 = max(l_mut_68, l_312);
l_mut_68 = l_313;
}
let l_314 = u32(24) + l_51;
let l_315 = l_mut_58 + l_314;
let l_316 = l_315 <= l_54;
if l_316 {
let l_317 = l_50 * u32(33);
let l_318 = l_317 + l_314;
let l_319 = shared_memory_45[l_318];
let l_320 = max(l_mut_68, l_319);
l_mut_68 = l_320;
}
let l_321 = u32(28) + l_51;
let l_322 = l_mut_58 + l_321;
let l_323 = l_322 <= l_54;
if l_323 {
let l_324 = l_50 * u32(33);
let l_325 = l_324 + l_321;
let l_326 = shared_memory_45[l_325];
let l_327 = max(l_mut_68, l_326);
l_mut_68 = l_327;
}
shared_memory_46[local_idx] = l_mut_68;
workgroupBarrier();
let l_328 = l_50 * u32(4);
let l_329 = l_328 + u32(0);
let l_330 = shared_memory_46[l_329];
let l_331 = max(l_mut_68, l_330);
l_mut_68 = l_331;
let l_332 = l_50 * u32(4);
let l_333 = l_332 + u32(1);
let l_334 = shared_memory_46[l_333];
let l_335 = max(l_mut_68, l_334);
l_mut_68 = l_335;
let l_336 = l_50 * u32(4);
let l_337 = l_336 + u32(2);
let l_338 = shared_memory_46[l_337];
let l_339 = max(l_mut_68, l_338);
l_mut_68 = l_339;
let l_340 = l_50 * u32(4);
let l_341 = l_340 + u32(3);
let l_342 = shared_memory_46[l_341];
let l_343 = max(l_mut_68, l_342);
l_mut_68 = l_343;
let l_344 = l_mut_56;
let l_345 = l_344 - l_mut_68;
let l_346 = exp(l_345);
let l_347 = l_mut_57;
let l_348 = l_347 * l_346;
l_mut_349 = l_348;
let l_350 = u32(0) + l_51;
l_mut_351 = f32(0.0);
let l_352 = l_mut_58 + l_350;
let l_353 = l_352 <= l_54;
if l_353 {
let l_354 = l_50 * u32(33);
let l_355 = l_354 + l_350;
let l_356 = shared_memory_45[l_355];
let l_357 = l_356 - l_mut_68;
let l_358 = exp(l_357);
l_mut_351 = l_358;
}
let l_359 = l_50 * u32(33);
let l_360 = l_359 + l_350;
shared_memory_45[l_360] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_361 = u32(4) + l_51;
l_mut_351 = f32(0.0);
let l_362 = l_mut_58 + l_361;
let l_363 = l_362 <= l_54;
if l_363 {
let l_364 = l_50 * u32(33);
let l_365 = l_364 + l_361;
let l_366 = shared_memory_45[l_365];
let l_367 = l_366 - l_mut_68;
let l_368 = exp(l_367);
l_mut_351 = l_368;
}
let l_369 = l_50 * u32(33);
let l_370 = l_369 + l_361;
shared_memory_45[l_370] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_371 = u32(8) + l_51;
l_mut_351 = f32(0.0);
let l_372 = l_mut_58 + l_371;
let l_373 = l_372 <= l_54;
if l_373 {
let l_374 = l_50 * u32(33);
let l_375 = l_374 + l_371;
let l_376 = shared_memory_45[l_375];
let l_377 = l_376 - l_mut_68;
let l_378 = exp(l_377);
l_mut_351 = l_378;
}
let l_379 = l_50 * u32(33);
let l_380 = l_379 + l_371;
shared_memory_45[l_380] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_381 = u32(12) + l_51;
l_mut_351 = f32(0.0);
let l_382 = l_mut_58 + l_381;
let l_383 = l_382 <= l_54;
if l_383 {
let l_384 = l_50 * u32(33);
let l_385 = l_384 + l_381;
let l_386 = shared_memory_45[l_385];
let l_387 = l_386 - l_mut_68;
let l_388 = exp(l_387);
l_mut_351 = l_388;
}
let l_389 = l_50 * u32(33);
let l_390 = l_389 + l_381;
shared_memory_45[l_390] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_391 = u32(16) + l_51;
l_mut_351 = f32(0.0);
let l_392 = l_mut_58 + l_391;
let l_393 = l_392 <= l_54;
if l_393 {
let l_394 = l_50 * u32(33);
let l_395 = l_394 + l_391;
let l_396 = shared_memory_45[l_395];
let l_397 = l_396 - l_mut_68;
let l_398 = exp(l_397);
l_mut_351 = l_398;
}
let l_399 = l_50 * u32(33);
let l_400 = l_399 + l_391;
shared_memory_45[l_400] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_401 = u32(20) + l_51;
l_mut_351 = f32(0.0);
let l_402 = l_mut_58 + l_401;
let l_403 = l_402 <= l_54;
if l_403 {
let l_404 = l_50 * u32(33);
let l_405 = l_404 + l_401;
let l_406 = shared_memory_45[l_405];
let l_407 = l_406 - l_mut_68;
let l_408 = exp(l_407);
l_mut_351 = l_408;
}
let l_409 = l_50 * u32(33);
let l_410 = l_409 + l_401;
shared_memory_45[l_410] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_411 = u32(24) + l_51;
l_mut_351 = f32(0.0);
let l_412 = l_mut_58 + l_411;
let l_413 = l_412 <= l_54;
if l_413 {
let l_414 = l_50 * u32(33);
let l_415 = l_414 + l_411;
let l_416 = shared_memory_45[l_415];
let l_417 = l_416 - l_mut_68;
let l_418 = exp(l_417);
l_mut_351 = l_418;
}
let l_419 = l_50 * u32(33);
let l_420 = l_419 + l_411;
shared_memory_45[l_420] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_421 = u32(28) + l_51;
l_mut_351 = f32(0.0);
let l_422 = l_mut_58 + l_421;
let l_423 = l_422 <= l_54;
if l_423 {
let l_424 = l_50 * u32(33);
let l_425 = l_424 + l_421;
let l_426 = shared_memory_45[l_425];
let l_427 = l_426 - l_mut_68;
let l_428 = exp(l_427);
l_mut_351 = l_428;
}
let l_429 = l_50 * u32(33);
let l_430 = l_429 + l_421;
shared_memory_45[l_430] = l_mut_351;
l_mut_349 = l_mut_349 + l_mut_351;
let l_431 = l_51 == u32(0);
if l_431 {
shared_memory_47[l_50] = l_346;
}
l_mut_56 = l_mut_68;
l_mut_57 = l_mut_349;
workgroupBarrier();
let l_432 = l_48 * u32(4);
let l_433 = l_432 + u32(0);
let l_434 = shared_memory_47[l_433];
let l_435 = a_55[u32(0)];
let l_436 = l_435 * l_434;
a_55[u32(0)] = l_436;
let l_437 = l_48 * u32(4);
let l_438 = l_437 + u32(1);
let l_439 = shared_memory_47[l_438];
let l_440 = a_55[u32(1)];
let l_441 = l_440 * l_439;
a_55[u32(1)] = l_441;
let l_442 = l_48 * u32(4);
let l_443 = l_442 + u32(2);
let l_444 = shared_memory_47[l_443];
let l_445 = a_55[u32(2)];
let l_446 = l_445 * l_444;
a_55[u32(2)] = l_446;
let l_447 = l_48 * u32(4);
let l_448 = l_447 + u32(3);
let l_449 = shared_memory_47[l_448];
let l_450 = a_55[u32(3)];
let l_451 = l_450 * l_449;
a_55[u32(3)] = l_451;
let l_452 = local_idx % u32(16);
let l_453 = local_idx / u32(16);
workgroupBarrier();
let l_454 = local_idx + u32(0);
let l_455 = l_454 / u32(16);
let l_456 = l_454 % u32(16);
l_mut_351 = f32(0.0);
let l_457 = l_mut_58 + l_455;
let l_458 = l_457 < l_38;
let l_459 = u32(0) + l_456;
let l_460 = l_459 < u32(8);
let l_461 = l_458 && l_460;
if l_461 {
let l_462 = l_mut_58 + l_455;
let l_463 = l_462 / u32(1);
let l_464 = l_463 * l_39;
let l_465 = l_43 + l_464;
let l_466 = l_462 % u32(1);
let l_467 = l_466 * u32(8);
let l_468 = l_465 + l_467;
let l_469 = l_468 + u32(0);
let l_470 = l_469 + l_456;
let l_471 = buffer_2_global[l_470];
l_mut_351 = l_471;
}
shared_memory_44[l_454] = l_mut_351;
let l_472 = local_idx + u32(128);
let l_473 = l_472 / u32(16);
let l_474 = l_472 % u32(16);
l_mut_351 = f32(0.0);
let l_475 = l_mut_58 + l_473;
let l_476 = l_475 < l_38;
let l_477 = u32(0) + l_474;
let l_478 = l_477 < u32(8);
let l_479 = l_476 && l_478;
if l_479 {
let l_480 = l_mut_58 + l_473;
let l_481 = l_480 / u32(1);
let l_482 = l_481 * l_39;
let l_483 = l_43 + l_482;
let l_484 = l_480 % u32(1);
let l_485 = l_484 * u32(8);
let l_486 = l_483 + l_485;
let l_487 = l_486 + u32(0);
let l_488 = l_487 + l_474;
let l_489 = buffer_2_global[l_488];
l_mut_351 = l_489;
}
shared_memory_44[l_472] = l_mut_351;
let l_490 = local_idx + u32(256);
let l_491 = l_490 / u32(16);
let l_492 = l_490 % u32(16);
l_mut_351 = f32(0.0);
let l_493 = l_mut_58 + l_491;
let l_494 = l_493 < l_38;
let l_495 = u32(0) + l_492;
let l_496 = l_495 < u32(8);
let l_497 = l_494 && l_496;
if l_497 {
let l_498 = l_mut_58 + l_491;
let l_499 = l_498 / u32(1);
let l_500 = l_499 * l_39;
let l_501 = l_43 + l_500;
let l_502 = l_498 % u32(1);
let l_503 = l_502 * u32(8);
let l_504 = l_501 + l_503;
let l_505 = l_504 + u32(0);
let l_506 = l_505 + l_492;
let l_507 = buffer_2_global[l_506];
l_mut_351 = l_507;
}
shared_memory_44[l_490] = l_mut_351;
let l_508 = local_idx + u32(384);
let l_509 = l_508 / u32(16);
let l_510 = l_508 % u32(16);
l_mut_351 = f32(0.0);
let l_511 = l_mut_58 + l_509;
let l_512 = l_511 < l_38;
let l_513 = u32(0) + l_510;
let l_514 = l_513 < u32(8);
let l_515 = l_512 && l_514;
if l_515 {
let l_516 = l_mut_58 + l_509;
let l_517 = l_516 / u32(1);
let l_518 = l_517 * l_39;
let l_519 = l_43 + l_518;
let l_520 = l_516 % u32(1);
let l_521 = l_520 * u32(8);
let l_522 = l_519 + l_521;
let l_523 = l_522 + u32(0);
let l_524 = l_523 + l_510;
let l_525 = buffer_2_global[l_524];
l_mut_351 = l_525;
}
shared_memory_44[l_508] = l_mut_351;
workgroupBarrier();

for (var l_mut_526: u32 = u32(0); l_mut_526 < u32(32); l_mut_526++) {
let l_528 = l_mut_526 * u32(16);
let l_529 = l_528 + u32(0);
let l_530 = l_529 + l_452;
let l_531 = shared_memory_44[l_530];
a_527[u32(0)] = l_531;
let l_532 = l_453 * u32(4);
let l_533 = l_532 + u32(0);
let l_534 = l_533 * u32(33);
let l_535 = l_534 + l_mut_526;
let l_536 = shared_memory_45[l_535];
let l_537 = a_527[u32(0)];
let l_538 = l_536 * l_537;
let l_539 = a_55[u32(0)];
let l_540 = l_539 + l_538;
a_55[u32(0)] = l_540;
let l_541 = l_453 * u32(4);
let l_542 = l_541 + u32(1);
let l_543 = l_542 * u32(33);
let l_544 = l_543 + l_mut_526;
let l_545 = shared_memory_45[l_544];
let l_546 = a_527[u32(0)];
let l_547 = l_545 * l_546;
let l_548 = a_55[u32(1)];
let l_549 = l_548 + l_547;
a_55[u32(1)] = l_549;
let l_550 = l_453 * u32(4);
let l_551 = l_550 + u32(2);
let l_552 = l_551 * u32(33);
let l_553 = l_552 + l_mut_526;
let l_554 = shared_memory_45[l_553];
let l_555 = a_527[u32(0)];
let l_556 = l_554 * l_555;
let l_557 = a_55[u32(2)];
let l_558 = l_557 + l_556;
a_55[u32(2)] = l_558;
let l_559 = l_453 * u32(4);
let l_560 = l_559 + u32(3);
let l_561 = l_560 * u32(33);
let l_562 = l_561 + l_mut_526;
let l_563 = shared_memory_45[l_562];
let l_564 = a_527[u32(0)];
let l_565 = l_563 * l_564;
let l_566 = a_55[u32(3)];
let l_567 = l_566 + l_565;
a_55[u32(3)] = l_567;
}
l_mut_58 = l_mut_58 + u32(32);
}
workgroupBarrier();
let l_568 = l_mut_57;
shared_memory_46[local_idx] = l_568;
workgroupBarrier();
let l_570 = l_48 * u32(4);
let l_571 = l_570 + u32(0);
l_mut_351 = f32(0.0);
let l_572 = l_571 * u32(4);
let l_573 = l_572 + u32(0);
let l_574 = shared_memory_46[l_573];
l_mut_351 = l_mut_351 + l_574;
let l_575 = l_571 * u32(4);
let l_576 = l_575 + u32(1);
let l_577 = shared_memory_46[l_576];
l_mut_351 = l_mut_351 + l_577;
let l_578 = l_571 * u32(4);
let l_579 = l_578 + u32(2);
let l_580 = shared_memory_46[l_579];
l_mut_351 = l_mut_351 + l_580;
let l_581 = l_571 * u32(4);
let l_582 = l_581 + u32(3);
let l_583 = shared_memory_46[l_582];
l_mut_351 = l_mut_351 + l_583;
let l_584 = l_mut_351 == f32(0.0);
let l_585 = f32(1.0) / l_mut_351;
let l_586 = select(l_585, f32(0.0), l_584);
a_569[u32(0)] = l_586;
let l_587 = l_48 * u32(4);
let l_588 = l_587 + u32(1);
l_mut_351 = f32(0.0);
let l_589 = l_588 * u32(4);
let l_590 = l_589 + u32(0);
let l_591 = shared_memory_46[l_590];
l_mut_351 = l_mut_351 + l_591;
let l_592 = l_588 * u32(4);
let l_593 = l_592 + u32(1);
let l_594 = shared_memory_46[l_593];
l_mut_351 = l_mut_351 + l_594;
let l_595 = l_588 * u32(4);
let l_596 = l_595 + u32(2);
let l_597 = shared_memory_46[l_596];
l_mut_351 = l_mut_351 + l_597;
let l_598 = l_588 * u32(4);
let l_599 = l_598 + u32(3);
let l_600 = shared_memory_46[l_599];
l_mut_351 = l_mut_351 + l_600;
let l_601 = l_mut_351 == f32(0.0);
let l_602 = f32(1.0) / l_mut_351;
let l_603 = select(l_602, f32(0.0), l_601);
a_569[u32(1)] = l_603;
let l_604 = l_48 * u32(4);
let l_605 = l_604 + u32(2);
l_mut_351 = f32(0.0);
let l_606 = l_605 * u32(4);
let l_607 = l_606 + u32(0);
let l_608 = shared_memory_46[l_607];
l_mut_351 = l_mut_351 + l_608;
let l_609 = l_605 * u32(4);
let l_610 = l_609 + u32(1);
let l_611 = shared_memory_46[l_610];
l_mut_351 = l_mut_351 + l_611;
let l_612 = l_605 * u32(4);
let l_613 = l_612 + u32(2);
let l_614 = shared_memory_46[l_613];
l_mut_351 = l_mut_351 + l_614;
let l_615 = l_605 * u32(4);
let l_616 = l_615 + u32(3);
let l_617 = shared_memory_46[l_616];
l_mut_351 = l_mut_351 + l_617;
let l_618 = l_mut_351 == f32(0.0);
let l_619 = f32(1.0) / l_mut_351;
let l_620 = select(l_619, f32(0.0), l_618);
a_569[u32(2)] = l_620;
let l_621 = l_48 * u32(4);
let l_622 = l_621 + u32(3);
l_mut_351 = f32(0.0);
let l_623 = l_622 * u32(4);
let l_624 = l_623 + u32(0);
let l_625 = shared_memory_46[l_624];
l_mut_351 = l_mut_351 + l_625;
let l_626 = l_622 * u32(4);
let l_627 = l_626 + u32(1);
let l_628 = shared_memory_46[l_627];
l_mut_351 = l_mut_351 + l_628;
let l_629 = l_622 * u32(4);
let l_630 = l_629 + u32(2);
let l_631 = shared_memory_46[l_630];
l_mut_351 = l_mut_351 + l_631;
let l_632 = l_622 * u32(4);
let l_633 = l_632 + u32(3);
let l_634 = shared_memory_46[l_633];
l_mut_351 = l_mut_351 + l_634;
let l_635 = l_mut_351 == f32(0.0);
let l_636 = f32(1.0) / l_mut_351;
let l_637 = select(l_636, f32(0.0), l_635);
a_569[u32(3)] = l_637;
let l_638 = local_idx % u32(16);
let l_639 = local_idx / u32(16);
let l_640 = l_639 * u32(4);
let l_641 = l_30 + l_640;
let l_642 = l_641 + u32(0);
let l_643 = l_642 < l_27;
if l_643 {
let l_644 = l_642 / u32(3);
let l_645 = l_644 * l_21;
let l_646 = l_26 + l_645;
let l_647 = l_642 % u32(3);
let l_648 = l_647 * u32(8);
let l_649 = l_646 + l_648;
let l_650 = u32(0) + l_638;
let l_651 = l_650 < u32(8);
if l_651 {
let l_652 = l_649 + l_650;
let l_653 = a_55[u32(0)];
let l_654 = a_569[u32(0)];
let l_655 = l_653 * l_654;
buffer_4_global[l_652] = l_655;
}
}
let l_656 = l_639 * u32(4);
let l_657 = l_30 + l_656;
let l_658 = l_657 + u32(1);
let l_659 = l_658 < l_27;
if l_659 {
let l_660 = l_658 / u32(3);
let l_661 = l_660 * l_21;
let l_662 = l_26 + l_661;
let l_663 = l_658 % u32(3);
let l_664 = l_663 * u32(8);
let l_665 = l_662 + l_664;
let l_666 = u32(0) + l_638;
let l_667 = l_666 < u32(8);
if l_667 {
let l_668 = l_665 + l_666;
let l_669 = a_55[u32(1)];
let l_670 = a_569[u32(1)];
let l_671 = l_669 * l_670;
buffer_4_global[l_668] = l_671;
}
}
let l_672 = l_639 * u32(4);
let l_673 = l_30 + l_672;
let l_674 = l_673 + u32(2);
let l_675 = l_674 < l_27;
if l_675 {
let l_676 = l_674 / u32(3);
let l_677 = l_676 * l_21;
let l_678 = l_26 + l_677;
let l_679 = l_674 % u32(3);
let l_680 = l_679 * u32(8);
let l_681 = l_678 + l_680;
let l_682 = u32(0) + l_638;
let l_683 = l_682 < u32(8);
if l_683 {
let l_684 = l_681 + l_682;
let l_685 = a_55[u32(2)];
let l_686 = a_569[u32(2)];
let l_687 = l_685 * l_686;
buffer_4_global[l_684] = l_687;
}
}
let l_688 = l_639 * u32(4);
let l_689 = l_30 + l_688;
let l_690 = l_689 + u32(3);
let l_691 = l_690 < l_27;
if l_691 {
let l_692 = l_690 / u32(3);
let l_693 = l_692 * l_21;
let l_694 = l_26 + l_693;
let l_695 = l_690 % u32(3);
let l_696 = l_695 * u32(8);
let l_697 = l_694 + l_696;
let l_698 = u32(0) + l_638;
let l_699 = l_698 < u32(8);
if l_699 {
let l_700 = l_697 + l_698;
let l_701 = a_55[u32(3)];
let l_702 = a_569[u32(3)];
let l_703 = l_701 * l_702;
buffer_4_global[l_700] = l_703;
}
}
let l_704 = l_51 == u32(0);
let l_705 = l_30 + l_50;
let l_706 = l_705 < l_27;
let l_707 = l_704 && l_706;
if l_707 {
l_mut_351 = f32(0.0);
let l_708 = l_50 * u32(4);
let l_709 = l_708 + u32(0);
let l_710 = shared_memory_46[l_709];
l_mut_351 = l_mut_351 + l_710;
let l_711 = l_50 * u32(4);
let l_712 = l_711 + u32(1);
let l_713 = shared_memory_46[l_712];
l_mut_351 = l_mut_351 + l_713;
let l_714 = l_50 * u32(4);
let l_715 = l_714 + u32(2);
let l_716 = shared_memory_46[l_715];
l_mut_351 = l_mut_351 + l_716;
let l_717 = l_50 * u32(4);
let l_718 = l_717 + u32(3);
let l_719 = shared_memory_46[l_718];
l_mut_351 = l_mut_351 + l_719;
let l_720 = l_mut_351 == f32(0.0);
let l_721 = l_mut_56;
let l_722 = log(l_mut_351);
let l_723 = l_721 + l_722;
let l_724 = select(l_723, f32(0.0), l_720);
let l_725 = l_30 + l_50;
let l_726 = l_8 * info.scalars_u32[3];
let l_727 = l_726 + l_10;
let l_728 = l_727 * u32(3);
let l_729 = l_725 % u32(3);
let l_730 = l_728 + l_729;
let l_731 = l_730 * info.scalars_u32[1];
let l_732 = l_725 / u32(3);
let l_733 = l_731 + l_732;
buffer_5_global[l_733] = l_724;
}
}
