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
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 12>,
}

@group(0)
@binding(6)
var<storage, read> info: info_st;

var<workgroup> shared_memory_45: array<f32, 2112>;

var<workgroup> shared_memory_46: array<f32, 1056>;

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
var a_49: array<f32, 4>;

var a_50: array<f32, 4>;

var a_111: array<f32, 4>;

var a_115: array<f32, 8>;

var a_116: array<f32, 8>;

var a_207: array<f32, 2>;

var a_359: array<f32, 2>;

var a_661: array<f32, 1>;

var a_702: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_112: u32;
var l_mut_123: f32;
let l_0 = info.scalars_u32[0] * info.scalars_u32[1];
let l_1 = l_0 * info.scalars_u32[3];
let l_2 = l_1 * u32(3);
let l_3 = info.scalars_u32[1] * u32(3);
let l_4 = l_3 + u32(32);
let l_5 = l_4 - u32(1);
let l_6 = l_5 / u32(32);
let l_7 = u32(2) * l_2;
let l_8 = l_6 * info.scalars_u32[3];
let l_9 = workgroup_id_no_axis / l_8;
let l_10 = workgroup_id_no_axis / l_6;
let l_11 = l_10 % info.scalars_u32[3];
let l_12 = l_9 % info.scalars_u32[0];
let l_13 = l_7 + l_12;
let l_14 = buffer_4_global[l_13];
let l_15 = u32(l_14);
let l_16 = info.scalars_u32[0] + l_13;
let l_17 = buffer_4_global[l_16];
let l_18 = u32(l_17);
let l_19 = workgroup_id_no_axis % l_6;
let l_20 = l_9 >= info.scalars_u32[0];
if l_20 {
return;
}
let l_21 = info.scalars_u32[3] * u32(3);
let l_22 = l_21 * u32(8);
let l_23 = l_9 * info.scalars_u32[1];
let l_24 = l_23 * l_22;
let l_25 = l_11 * u32(3);
let l_26 = l_25 * u32(8);
let l_27 = l_24 + l_26;
let l_28 = info.scalars_u32[1] * u32(3);
let l_29 = l_6 - u32(1);
let l_30 = l_29 - l_19;
let l_31 = l_30 * u32(32);
let l_32 = l_28 - u32(1);
let l_33 = l_31 + u32(32);
let l_34 = l_33 - u32(1);
let l_35 = min(l_34, l_32);
let l_36 = l_35 / u32(3);
let l_37 = l_18 + l_36;
let l_38 = l_37 + u32(1);
let l_39 = min(l_38, info.scalars_u32[2]);
let l_40 = info.scalars_u32[3] * u32(8);
let l_41 = l_9 * info.scalars_u32[2];
let l_42 = l_41 * l_40;
let l_43 = l_11 * u32(8);
let l_44 = l_42 + l_43;
let l_47 = local_idx % u32(16);
let l_48 = local_idx / u32(16);
a_49[u32(0)] = f32(0.0);
a_49[u32(1)] = f32(0.0);
a_49[u32(2)] = f32(0.0);
a_49[u32(3)] = f32(0.0);
a_50[u32(0)] = f32(0.0);
a_50[u32(1)] = f32(0.0);
a_50[u32(2)] = f32(0.0);
a_50[u32(3)] = f32(0.0);
let l_51 = l_48 * u32(4);
let l_52 = l_31 + l_51;
let l_53 = l_52 + u32(0);
let l_54 = l_53 < l_28;
if l_54 {
let l_55 = l_9 * info.scalars_u32[3];
let l_56 = l_55 + l_11;
let l_57 = l_56 * u32(3);
let l_58 = l_53 % u32(3);
let l_59 = l_57 + l_58;
let l_60 = l_59 * info.scalars_u32[1];
let l_61 = l_53 / u32(3);
let l_62 = l_60 + l_61;
let l_63 = buffer_4_global[l_62];
a_49[u32(0)] = l_63;
let l_64 = l_2 + l_62;
let l_65 = buffer_4_global[l_64];
a_50[u32(0)] = l_65;
}
let l_66 = l_48 * u32(4);
let l_67 = l_31 + l_66;
let l_68 = l_67 + u32(1);
let l_69 = l_68 < l_28;
if l_69 {
let l_70 = l_9 * info.scalars_u32[3];
let l_71 = l_70 + l_11;
let l_72 = l_71 * u32(3);
let l_73 = l_68 % u32(3);
let l_74 = l_72 + l_73;
let l_75 = l_74 * info.scalars_u32[1];
let l_76 = l_68 / u32(3);
let l_77 = l_75 + l_76;
let l_78 = buffer_4_global[l_77];
a_49[u32(1)] = l_78;
let l_79 = l_2 + l_77;
let l_80 = buffer_4_global[l_79];
a_50[u32(1)] = l_80;
}
let l_81 = l_48 * u32(4);
let l_82 = l_31 + l_81;
let l_83 = l_82 + u32(2);
let l_84 = l_83 < l_28;
if l_84 {
let l_85 = l_9 * info.scalars_u32[3];
let l_86 = l_85 + l_11;
let l_87 = l_86 * u32(3);
let l_88 = l_83 % u32(3);
let l_89 = l_87 + l_88;
let l_90 = l_89 * info.scalars_u32[1];
let l_91 = l_83 / u32(3);
let l_92 = l_90 + l_91;
let l_93 = buffer_4_global[l_92];
a_49[u32(2)] = l_93;
let l_94 = l_2 + l_92;
let l_95 = buffer_4_global[l_94];
a_50[u32(2)] = l_95;
}
let l_96 = l_48 * u32(4);
let l_97 = l_31 + l_96;
let l_98 = l_97 + u32(3);
let l_99 = l_98 < l_28;
if l_99 {
let l_100 = l_9 * info.scalars_u32[3];
let l_101 = l_100 + l_11;
let l_102 = l_101 * u32(3);
let l_103 = l_98 % u32(3);
let l_104 = l_102 + l_103;
let l_105 = l_104 * info.scalars_u32[1];
let l_106 = l_98 / u32(3);
let l_107 = l_105 + l_106;
let l_108 = buffer_4_global[l_107];
a_49[u32(3)] = l_108;
let l_109 = l_2 + l_107;
let l_110 = buffer_4_global[l_109];
a_50[u32(3)] = l_110;
}
a_111[u32(0)] = f32(0.0);
a_111[u32(1)] = f32(0.0);
a_111[u32(2)] = f32(0.0);
a_111[u32(3)] = f32(0.0);
l_mut_112 = l_15;
loop {
let l_113 = l_mut_112 < l_39;
let l_114 = !l_113;
if l_114 {
break;
}
a_115[u32(0)] = f32(0.0);
a_115[u32(1)] = f32(0.0);
a_115[u32(2)] = f32(0.0);
a_115[u32(3)] = f32(0.0);
a_115[u32(4)] = f32(0.0);
a_115[u32(5)] = f32(0.0);
a_115[u32(6)] = f32(0.0);
a_115[u32(7)] = f32(0.0);
a_116[u32(0)] = f32(0.0);
a_116[u32(1)] = f32(0.0);
a_116[u32(2)] = f32(0.0);
a_116[u32(3)] = f32(0.0);
a_116[u32(4)] = f32(0.0);
a_116[u32(5)] = f32(0.0);
a_116[u32(6)] = f32(0.0);
a_116[u32(7)] = f32(0.0);
let l_117 = local_idx % u32(16);
let l_118 = local_idx / u32(16);
workgroupBarrier();
let l_119 = u32(0) * u32(8);
let l_120 = local_idx + u32(0);
let l_121 = l_120 / u32(8);
let l_122 = l_120 % u32(8);
l_mut_123 = f32(0.0);
let l_124 = l_31 + l_121;
let l_125 = l_124 < l_28;
let l_126 = l_119 + l_122;
let l_127 = l_126 < u32(8);
let l_128 = l_125 && l_127;
if l_128 {
let l_129 = l_31 + l_121;
let l_130 = l_129 / u32(3);
let l_131 = l_130 * l_22;
let l_132 = l_27 + l_131;
let l_133 = l_129 % u32(3);
let l_134 = l_133 * u32(8);
let l_135 = l_132 + l_134;
let l_136 = l_135 + l_119;
let l_137 = l_136 + l_122;
let l_138 = buffer_1_global[l_137];
l_mut_123 = l_138;
}
let l_139 = l_122 * u32(33);
let l_140 = u32(0) + l_139;
let l_141 = l_140 + l_121;
shared_memory_45[l_141] = l_mut_123;
let l_142 = local_idx + u32(128);
let l_143 = l_142 / u32(8);
let l_144 = l_142 % u32(8);
l_mut_123 = f32(0.0);
let l_145 = l_31 + l_143;
let l_146 = l_145 < l_28;
let l_147 = l_119 + l_144;
let l_148 = l_147 < u32(8);
let l_149 = l_146 && l_148;
if l_149 {
let l_150 = l_31 + l_143;
let l_151 = l_150 / u32(3);
let l_152 = l_151 * l_22;
let l_153 = l_27 + l_152;
let l_154 = l_150 % u32(3);
let l_155 = l_154 * u32(8);
let l_156 = l_153 + l_155;
let l_157 = l_156 + l_119;
let l_158 = l_157 + l_144;
let l_159 = buffer_1_global[l_158];
l_mut_123 = l_159;
}
let l_160 = l_144 * u32(33);
let l_161 = u32(0) + l_160;
let l_162 = l_161 + l_143;
shared_memory_45[l_162] = l_mut_123;
let l_163 = u32(0) * u32(8);
let l_164 = local_idx + u32(0);
let l_165 = l_164 / u32(8);
let l_166 = l_164 % u32(8);
l_mut_123 = f32(0.0);
let l_167 = l_mut_112 + l_165;
let l_168 = l_167 < l_39;
let l_169 = l_163 + l_166;
let l_170 = l_169 < u32(8);
let l_171 = l_168 && l_170;
if l_171 {
let l_172 = l_mut_112 + l_165;
let l_173 = l_172 / u32(1);
let l_174 = l_173 * l_40;
let l_175 = l_44 + l_174;
let l_176 = l_172 % u32(1);
let l_177 = l_176 * u32(8);
let l_178 = l_175 + l_177;
let l_179 = l_178 + l_163;
let l_180 = l_179 + l_166;
let l_181 = buffer_2_global[l_180];
l_mut_123 = l_181;
}
let l_182 = l_166 * u32(33);
let l_183 = u32(1056) + l_182;
let l_184 = l_183 + l_165;
shared_memory_45[l_184] = l_mut_123;
let l_185 = local_idx + u32(128);
let l_186 = l_185 / u32(8);
let l_187 = l_185 % u32(8);
l_mut_123 = f32(0.0);
let l_188 = l_mut_112 + l_186;
let l_189 = l_188 < l_39;
let l_190 = l_163 + l_187;
let l_191 = l_190 < u32(8);
let l_192 = l_189 && l_191;
if l_192 {
let l_193 = l_mut_112 + l_186;
let l_194 = l_193 / u32(1);
let l_195 = l_194 * l_40;
let l_196 = l_44 + l_195;
let l_197 = l_193 % u32(1);
let l_198 = l_197 * u32(8);
let l_199 = l_196 + l_198;
let l_200 = l_199 + l_163;
let l_201 = l_200 + l_187;
let l_202 = buffer_2_global[l_201];
l_mut_123 = l_202;
}
let l_203 = l_187 * u32(33);
let l_204 = u32(1056) + l_203;
let l_205 = l_204 + l_186;
shared_memory_45[l_205] = l_mut_123;
workgroupBarrier();

for (var l_mut_206: u32 = u32(0); l_mut_206 < u32(8); l_mut_206++) {
let l_208 = l_mut_206 * u32(33);
let l_209 = u32(1056) + l_208;
let l_210 = l_209 + u32(0);
let l_211 = l_210 + l_117;
let l_212 = shared_memory_45[l_211];
a_207[u32(0)] = l_212;
let l_213 = l_mut_206 * u32(33);
let l_214 = u32(1056) + l_213;
let l_215 = l_214 + u32(16);
let l_216 = l_215 + l_117;
let l_217 = shared_memory_45[l_216];
a_207[u32(1)] = l_217;
let l_218 = l_mut_206 * u32(33);
let l_219 = l_118 * u32(4);
let l_220 = l_218 + l_219;
let l_221 = l_220 + u32(0);
let l_222 = shared_memory_45[l_221];
let l_223 = a_207[u32(0)];
let l_224 = l_222 * l_223;
let l_225 = a_115[u32(0)];
let l_226 = l_225 + l_224;
a_115[u32(0)] = l_226;
let l_227 = a_207[u32(1)];
let l_228 = l_222 * l_227;
let l_229 = a_115[u32(1)];
let l_230 = l_229 + l_228;
a_115[u32(1)] = l_230;
let l_231 = l_mut_206 * u32(33);
let l_232 = l_118 * u32(4);
let l_233 = l_231 + l_232;
let l_234 = l_233 + u32(1);
let l_235 = shared_memory_45[l_234];
let l_236 = a_207[u32(0)];
let l_237 = l_235 * l_236;
let l_238 = a_115[u32(2)];
let l_239 = l_238 + l_237;
a_115[u32(2)] = l_239;
let l_240 = a_207[u32(1)];
let l_241 = l_235 * l_240;
let l_242 = a_115[u32(3)];
let l_243 = l_242 + l_241;
a_115[u32(3)] = l_243;
let l_244 = l_mut_206 * u32(33);
let l_245 = l_118 * u32(4);
let l_246 = l_244 + l_245;
let l_247 = l_246 + u32(2);
let l_248 = shared_memory_45[l_247];
let l_249 = a_207[u32(0)];
let l_250 = l_248 * l_249;
let l_251 = a_115[u32(4)];
let l_252 = l_251 + l_250;
a_115[u32(4)] = l_252;
let l_253 = a_207[u32(1)];
let l_254 = l_248 * l_253;
let l_255 = a_115[u32(5)];
let l_256 = l_255 + l_254;
a_115[u32(5)] = l_256;
let l_257 = l_mut_206 * u32(33);
let l_258 = l_118 * u32(4);
let l_259 = l_257 + l_258;
let l_260 = l_259 + u32(3);
let l_261 = shared_memory_45[l_260];
let l_262 = a_207[u32(0)];
let l_263 = l_261 * l_262;
let l_264 = a_115[u32(6)];
let l_265 = l_264 + l_263;
a_115[u32(6)] = l_265;
let l_266 = a_207[u32(1)];
let l_267 = l_261 * l_266;
let l_268 = a_115[u32(7)];
let l_269 = l_268 + l_267;
a_115[u32(7)] = l_269;
}
let l_270 = local_idx % u32(16);
let l_271 = local_idx / u32(16);
workgroupBarrier();
let l_272 = u32(0) * u32(8);
let l_273 = local_idx + u32(0);
let l_274 = l_273 / u32(8);
let l_275 = l_273 % u32(8);
l_mut_123 = f32(0.0);
let l_276 = l_31 + l_274;
let l_277 = l_276 < l_28;
let l_278 = l_272 + l_275;
let l_279 = l_278 < u32(8);
let l_280 = l_277 && l_279;
if l_280 {
let l_281 = l_31 + l_274;
let l_282 = l_281 / u32(3);
let l_283 = l_282 * l_22;
let l_284 = l_27 + l_283;
let l_285 = l_281 % u32(3);
let l_286 = l_285 * u32(8);
let l_287 = l_284 + l_286;
let l_288 = l_287 + l_272;
let l_289 = l_288 + l_275;
let l_290 = buffer_0_global[l_289];
l_mut_123 = l_290;
}
let l_291 = l_275 * u32(33);
let l_292 = u32(0) + l_291;
let l_293 = l_292 + l_274;
shared_memory_45[l_293] = l_mut_123;
let l_294 = local_idx + u32(128);
let l_295 = l_294 / u32(8);
let l_296 = l_294 % u32(8);
l_mut_123 = f32(0.0);
let l_297 = l_31 + l_295;
let l_298 = l_297 < l_28;
let l_299 = l_272 + l_296;
let l_300 = l_299 < u32(8);
let l_301 = l_298 && l_300;
if l_301 {
let l_302 = l_31 + l_295;
let l_303 = l_302 / u32(3);
let l_304 = l_303 * l_22;
let l_305 = l_27 + l_304;
let l_306 = l_302 % u32(3);
let l_307 = l_306 * u32(8);
let l_308 = l_305 + l_307;
let l_309 = l_308 + l_272;
let l_310 = l_309 + l_296;
let l_311 = buffer_0_global[l_310];
l_mut_123 = l_311;
}
let l_312 = l_296 * u32(33);
let l_313 = u32(0) + l_312;
let l_314 = l_313 + l_295;
shared_memory_45[l_314] = l_mut_123;
let l_315 = u32(0) * u32(8);
let l_316 = local_idx + u32(0);
let l_317 = l_316 / u32(8);
let l_318 = l_316 % u32(8);
l_mut_123 = f32(0.0);
let l_319 = l_mut_112 + l_317;
let l_320 = l_319 < l_39;
let l_321 = l_315 + l_318;
let l_322 = l_321 < u32(8);
let l_323 = l_320 && l_322;
if l_323 {
let l_324 = l_mut_112 + l_317;
let l_325 = l_324 / u32(1);
let l_326 = l_325 * l_40;
let l_327 = l_44 + l_326;
let l_328 = l_324 % u32(1);
let l_329 = l_328 * u32(8);
let l_330 = l_327 + l_329;
let l_331 = l_330 + l_315;
let l_332 = l_331 + l_318;
let l_333 = buffer_3_global[l_332];
l_mut_123 = l_333;
}
let l_334 = l_318 * u32(33);
let l_335 = u32(1056) + l_334;
let l_336 = l_335 + l_317;
shared_memory_45[l_336] = l_mut_123;
let l_337 = local_idx + u32(128);
let l_338 = l_337 / u32(8);
let l_339 = l_337 % u32(8);
l_mut_123 = f32(0.0);
let l_340 = l_mut_112 + l_338;
let l_341 = l_340 < l_39;
let l_342 = l_315 + l_339;
let l_343 = l_342 < u32(8);
let l_344 = l_341 && l_343;
if l_344 {
let l_345 = l_mut_112 + l_338;
let l_346 = l_345 / u32(1);
let l_347 = l_346 * l_40;
let l_348 = l_44 + l_347;
let l_349 = l_345 % u32(1);
let l_350 = l_349 * u32(8);
let l_351 = l_348 + l_350;
let l_352 = l_351 + l_315;
let l_353 = l_352 + l_339;
let l_354 = buffer_3_global[l_353];
l_mut_123 = l_354;
}
let l_355 = l_339 * u32(33);
let l_356 = u32(1056) + l_355;
let l_357 = l_356 + l_338;
shared_memory_45[l_357] = l_mut_123;
workgroupBarrier();

for (var l_mut_358: u32 = u32(0); l_mut_358 < u32(8); l_mut_358++) {
let l_360 = l_mut_358 * u32(33);
let l_361 = u32(1056) + l_360;
let l_362 = l_361 + u32(0);
let l_363 = l_362 + l_270;
let l_364 = shared_memory_45[l_363];
a_359[u32(0)] = l_364;
let l_365 = l_mut_358 * u32(33);
let l_366 = u32(1056) + l_365;
let l_367 = l_366 + u32(16);
let l_368 = l_367 + l_270;
let l_369 = shared_memory_45[l_368];
a_359[u32(1)] = l_369;
let l_370 = l_mut_358 * u32(33);
let l_371 = l_271 * u32(4);
let l_372 = l_370 + l_371;
let l_373 = l_372 + u32(0);
let l_374 = shared_memory_45[l_373];
let l_375 = a_359[u32(0)];
let l_376 = l_374 * l_375;
let l_377 = a_116[u32(0)];
let l_378 = l_377 + l_376;
a_116[u32(0)] = l_378;
let l_379 = a_359[u32(1)];
let l_380 = l_374 * l_379;
let l_381 = a_116[u32(1)];
let l_382 = l_381 + l_380;
a_116[u32(1)] = l_382;
let l_383 = l_mut_358 * u32(33);
let l_384 = l_271 * u32(4);
let l_385 = l_383 + l_384;
let l_386 = l_385 + u32(1);
let l_387 = shared_memory_45[l_386];
let l_388 = a_359[u32(0)];
let l_389 = l_387 * l_388;
let l_390 = a_116[u32(2)];
let l_391 = l_390 + l_389;
a_116[u32(2)] = l_391;
let l_392 = a_359[u32(1)];
let l_393 = l_387 * l_392;
let l_394 = a_116[u32(3)];
let l_395 = l_394 + l_393;
a_116[u32(3)] = l_395;
let l_396 = l_mut_358 * u32(33);
let l_397 = l_271 * u32(4);
let l_398 = l_396 + l_397;
let l_399 = l_398 + u32(2);
let l_400 = shared_memory_45[l_399];
let l_401 = a_359[u32(0)];
let l_402 = l_400 * l_401;
let l_403 = a_116[u32(4)];
let l_404 = l_403 + l_402;
a_116[u32(4)] = l_404;
let l_405 = a_359[u32(1)];
let l_406 = l_400 * l_405;
let l_407 = a_116[u32(5)];
let l_408 = l_407 + l_406;
a_116[u32(5)] = l_408;
let l_409 = l_mut_358 * u32(33);
let l_410 = l_271 * u32(4);
let l_411 = l_409 + l_410;
let l_412 = l_411 + u32(3);
let l_413 = shared_memory_45[l_412];
let l_414 = a_359[u32(0)];
let l_415 = l_413 * l_414;
let l_416 = a_116[u32(6)];
let l_417 = l_416 + l_415;
a_116[u32(6)] = l_417;
let l_418 = a_359[u32(1)];
let l_419 = l_413 * l_418;
let l_420 = a_116[u32(7)];
let l_421 = l_420 + l_419;
a_116[u32(7)] = l_421;
}
let l_422 = l_48 * u32(4);
let l_423 = l_422 + u32(0);
let l_424 = l_31 + l_423;
let l_425 = l_424 / u32(3);
let l_426 = l_18 + l_425;
let l_427 = u32(0) + l_47;
l_mut_123 = f32(0.0);
let l_428 = l_mut_112 + l_427;
let l_429 = l_428 <= l_426;
let l_430 = l_31 + l_423;
let l_431 = l_430 < l_28;
let l_432 = l_429 && l_431;
if l_432 {
let l_433 = a_115[u32(0)];
let l_434 = l_433 * info.scalars_f32[0];
let l_435 = a_49[u32(0)];
let l_436 = l_434 - l_435;
let l_437 = exp(l_436);
let l_438 = a_116[u32(0)];
let l_439 = a_50[u32(0)];
let l_440 = l_438 - l_439;
let l_441 = l_437 * l_440;
let l_442 = l_441 * info.scalars_f32[0];
l_mut_123 = l_442;
}
let l_443 = l_423 * u32(33);
let l_444 = l_443 + l_427;
shared_memory_46[l_444] = l_mut_123;
let l_445 = u32(16) + l_47;
l_mut_123 = f32(0.0);
let l_446 = l_mut_112 + l_445;
let l_447 = l_446 <= l_426;
let l_448 = l_31 + l_423;
let l_449 = l_448 < l_28;
let l_450 = l_447 && l_449;
if l_450 {
let l_451 = a_115[u32(1)];
let l_452 = l_451 * info.scalars_f32[0];
let l_453 = a_49[u32(0)];
let l_454 = l_452 - l_453;
let l_455 = exp(l_454);
let l_456 = a_116[u32(1)];
let l_457 = a_50[u32(0)];
let l_458 = l_456 - l_457;
let l_459 = l_455 * l_458;
let l_460 = l_459 * info.scalars_f32[0];
l_mut_123 = l_460;
}
let l_461 = l_423 * u32(33);
let l_462 = l_461 + l_445;
shared_memory_46[l_462] = l_mut_123;
let l_463 = l_48 * u32(4);
let l_464 = l_463 + u32(1);
let l_465 = l_31 + l_464;
let l_466 = l_465 / u32(3);
let l_467 = l_18 + l_466;
let l_468 = u32(0) + l_47;
l_mut_123 = f32(0.0);
let l_469 = l_mut_112 + l_468;
let l_470 = l_469 <= l_467;
let l_471 = l_31 + l_464;
let l_472 = l_471 < l_28;
let l_473 = l_470 && l_472;
if l_473 {
let l_474 = a_115[u32(2)];
let l_475 = l_474 * info.scalars_f32[0];
let l_476 = a_49[u32(1)];
let l_477 = l_475 - l_476;
let l_478 = exp(l_477);
let l_479 = a_116[u32(2)];
let l_480 = a_50[u32(1)];
let l_481 = l_479 - l_480;
let l_482 = l_478 * l_481;
let l_483 = l_482 * info.scalars_f32[0];
l_mut_123 = l_483;
}
let l_484 = l_464 * u32(33);
let l_485 = l_484 + l_468;
shared_memory_46[l_485] = l_mut_123;
let l_486 = u32(16) + l_47;
l_mut_123 = f32(0.0);
let l_487 = l_mut_112 + l_486;
let l_488 = l_487 <= l_467;
let l_489 = l_31 + l_464;
let l_490 = l_489 < l_28;
let l_491 = l_488 && l_490;
if l_491 {
let l_492 = a_115[u32(3)];
let l_493 = l_492 * info.scalars_f32[0];
let l_494 = a_49[u32(1)];
let l_495 = l_493 - l_494;
let l_496 = exp(l_495);
let l_497 = a_116[u32(3)];
let l_498 = a_50[u32(1)];
let l_499 = l_497 - l_498;
let l_500 = l_496 * l_499;
let l_501 = l_500 * info.scalars_f32[0];
l_mut_123 = l_501;
}
let l_502 = l_464 * u32(33);
let l_503 = l_502 + l_486;
shared_memory_46[l_503] = l_mut_123;
let l_504 = l_48 * u32(4);
let l_505 = l_504 + u32(2);
let l_506 = l_31 + l_505;
let l_507 = l_506 / u32(3);
let l_508 = l_18 + l_507;
let l_509 = u32(0) + l_47;
l_mut_123 = f32(0.0);
let l_510 = l_mut_112 + l_509;
let l_511 = l_510 <= l_508;
let l_512 = l_31 + l_505;
let l_513 = l_512 < l_28;
let l_514 = l_511 && l_513;
if l_514 {
let l_515 = a_115[u32(4)];
let l_516 = l_515 * info.scalars_f32[0];
let l_517 = a_49[u32(2)];
let l_518 = l_516 - l_517;
let l_519 = exp(l_518);
let l_520 = a_116[u32(4)];
let l_521 = a_50[u32(2)];
let l_522 = l_520 - l_521;
let l_523 = l_519 * l_522;
let l_524 = l_523 * info.scalars_f32[0];
l_mut_123 = l_524;
}
let l_525 = l_505 * u32(33);
let l_526 = l_525 + l_509;
shared_memory_46[l_526] = l_mut_123;
let l_527 = u32(16) + l_47;
l_mut_123 = f32(0.0);
let l_528 = l_mut_112 + l_527;
let l_529 = l_528 <= l_508;
let l_530 = l_31 + l_505;
let l_531 = l_530 < l_28;
let l_532 = l_529 && l_531;
if l_532 {
let l_533 = a_115[u32(5)];
let l_534 = l_533 * info.scalars_f32[0];
let l_535 = a_49[u32(2)];
let l_536 = l_534 - l_535;
let l_537 = exp(l_536);
let l_538 = a_116[u32(5)];
let l_539 = a_50[u32(2)];
let l_540 = l_538 - l_539;
let l_541 = l_537 * l_540;
let l_542 = l_541 * info.scalars_f32[0];
l_mut_123 = l_542;
}
let l_543 = l_505 * u32(33);
let l_544 = l_543 + l_527;
shared_memory_46[l_544] = l_mut_123;
let l_545 = l_48 * u32(4);
let l_546 = l_545 + u32(3);
let l_547 = l_31 + l_546;
let l_548 = l_547 / u32(3);
let l_549 = l_18 + l_548;
let l_550 = u32(0) + l_47;
l_mut_123 = f32(0.0);
let l_551 = l_mut_112 + l_550;
let l_552 = l_551 <= l_549;
let l_553 = l_31 + l_546;
let l_554 = l_553 < l_28;
let l_555 = l_552 && l_554;
if l_555 {
let l_556 = a_115[u32(6)];
let l_557 = l_556 * info.scalars_f32[0];
let l_558 = a_49[u32(3)];
let l_559 = l_557 - l_558;
let l_560 = exp(l_559);
let l_561 = a_116[u32(6)];
let l_562 = a_50[u32(3)];
let l_563 = l_561 - l_562;
let l_564 = l_560 * l_563;
let l_565 = l_564 * info.scalars_f32[0];
l_mut_123 = l_565;
}
let l_566 = l_546 * u32(33);
let l_567 = l_566 + l_550;
shared_memory_46[l_567] = l_mut_123;
let l_568 = u32(16) + l_47;
l_mut_123 = f32(0.0);
let l_569 = l_mut_112 + l_568;
let l_570 = l_569 <= l_549;
let l_571 = l_31 + l_546;
let l_572 = l_571 < l_28;
let l_573 = l_570 && l_572;
if l_573 {
let l_574 = a_115[u32(7)];
let l_575 = l_574 * info.scalars_f32[0];
let l_576 = a_49[u32(3)];
let l_577 = l_575 - l_576;
let l_578 = exp(l_577);
let l_579 = a_116[u32(7)];
let l_580 = a_50[u32(3)];
let l_581 = l_579 - l_580;
let l_582 = l_578 * l_581;
let l_583 = l_582 * info.scalars_f32[0];
l_mut_123 = l_583;
}
let l_584 = l_546 * u32(33);
let l_585 = l_584 + l_568;
shared_memory_46[l_585] = l_mut_123;
let l_586 = local_idx % u32(16);
let l_587 = local_idx / u32(16);
workgroupBarrier();
let l_588 = local_idx + u32(0);
let l_589 = l_588 / u32(16);
let l_590 = l_588 % u32(16);
l_mut_123 = f32(0.0);
let l_591 = l_mut_112 + l_589;
let l_592 = l_591 < l_39;
let l_593 = u32(0) + l_590;
let l_594 = l_593 < u32(8);
let l_595 = l_592 && l_594;
if l_595 {
let l_596 = l_mut_112 + l_589;
let l_597 = l_596 / u32(1);
let l_598 = l_597 * l_40;
let l_599 = l_44 + l_598;
let l_600 = l_596 % u32(1);
let l_601 = l_600 * u32(8);
let l_602 = l_599 + l_601;
let l_603 = l_602 + u32(0);
let l_604 = l_603 + l_590;
let l_605 = buffer_2_global[l_604];
l_mut_123 = l_605;
}
shared_memory_45[l_588] = l_mut_123;
let l_606 = local_idx + u32(128);
let l_607 = l_606 / u32(16);
let l_608 = l_606 % u32(16);
l_mut_123 = f32(0.0);
let l_609 = l_mut_112 + l_607;
let l_610 = l_609 < l_39;
let l_611 = u32(0) + l_608;
let l_612 = l_611 < u32(8);
let l_613 = l_610 && l_612;
if l_613 {
let l_614 = l_mut_112 + l_607;
let l_615 = l_614 / u32(1);
let l_616 = l_615 * l_40;
let l_617 = l_44 + l_616;
let l_618 = l_614 % u32(1);
let l_619 = l_618 * u32(8);
let l_620 = l_617 + l_619;
let l_621 = l_620 + u32(0);
let l_622 = l_621 + l_608;
let l_623 = buffer_2_global[l_622];
l_mut_123 = l_623;
}
shared_memory_45[l_606] = l_mut_123;
let l_624 = local_idx + u32(256);
let l_625 = l_624 / u32(16);
let l_626 = l_624 % u32(16);
l_mut_123 = f32(0.0);
let l_627 = l_mut_112 + l_625;
let l_628 = l_627 < l_39;
let l_629 = u32(0) + l_626;
let l_630 = l_629 < u32(8);
let l_631 = l_628 && l_630;
if l_631 {
let l_632 = l_mut_112 + l_625;
let l_633 = l_632 / u32(1);
let l_634 = l_633 * l_40;
let l_635 = l_44 + l_634;
let l_636 = l_632 % u32(1);
let l_637 = l_636 * u32(8);
let l_638 = l_635 + l_637;
let l_639 = l_638 + u32(0);
let l_640 = l_639 + l_626;
let l_641 = buffer_2_global[l_640];
l_mut_123 = l_641;
}
shared_memory_45[l_624] = l_mut_123;
let l_642 = local_idx + u32(384);
let l_643 = l_642 / u32(16);
let l_644 = l_642 % u32(16);
l_mut_123 = f32(0.0);
let l_645 = l_mut_112 + l_643;
let l_646 = l_645 < l_39;
let l_647 = u32(0) + l_644;
let l_648 = l_647 < u32(8);
let l_649 = l_646 && l_648;
if l_649 {
let l_650 = l_mut_112 + l_643;
let l_651 = l_650 / u32(1);
let l_652 = l_651 * l_40;
let l_653 = l_44 + l_652;
let l_654 = l_650 % u32(1);
let l_655 = l_654 * u32(8);
let l_656 = l_653 + l_655;
let l_657 = l_656 + u32(0);
let l_658 = l_657 + l_644;
let l_659 = buffer_2_global[l_658];
l_mut_123 = l_659;
}
shared_memory_45[l_642] = l_mut_123;
workgroupBarrier();

for (var l_mut_660: u32 = u32(0); l_mut_660 < u32(32); l_mut_660++) {
let l_662 = l_mut_660 * u32(16);
let l_663 = l_662 + u32(0);
let l_664 = l_663 + l_586;
let l_665 = shared_memory_45[l_664];
a_661[u32(0)] = l_665;
let l_666 = l_587 * u32(4);
let l_667 = l_666 + u32(0);
let l_668 = l_667 * u32(33);
let l_669 = l_668 + l_mut_660;
let l_670 = shared_memory_46[l_669];
let l_671 = a_661[u32(0)];
let l_672 = l_670 * l_671;
let l_673 = a_111[u32(0)];
let l_674 = l_673 + l_672;
a_111[u32(0)] = l_674;
let l_675 = l_587 * u32(4);
let l_676 = l_675 + u32(1);
let l_677 = l_676 * u32(33);
let l_678 = l_677 + l_mut_660;
let l_679 = shared_memory_46[l_678];
let l_680 = a_661[u32(0)];
let l_681 = l_679 * l_680;
let l_682 = a_111[u32(1)];
let l_683 = l_682 + l_681;
a_111[u32(1)] = l_683;
let l_684 = l_587 * u32(4);
let l_685 = l_684 + u32(2);
let l_686 = l_685 * u32(33);
let l_687 = l_686 + l_mut_660;
let l_688 = shared_memory_46[l_687];
let l_689 = a_661[u32(0)];
let l_690 = l_688 * l_689;
let l_691 = a_111[u32(2)];
let l_692 = l_691 + l_690;
a_111[u32(2)] = l_692;
let l_693 = l_587 * u32(4);
let l_694 = l_693 + u32(3);
let l_695 = l_694 * u32(33);
let l_696 = l_695 + l_mut_660;
let l_697 = shared_memory_46[l_696];
let l_698 = a_661[u32(0)];
let l_699 = l_697 * l_698;
let l_700 = a_111[u32(3)];
let l_701 = l_700 + l_699;
a_111[u32(3)] = l_701;
}
l_mut_112 = l_mut_112 + u32(32);
}
a_702[u32(0)] = f32(1.0);
a_702[u32(1)] = f32(1.0);
a_702[u32(2)] = f32(1.0);
a_702[u32(3)] = f32(1.0);
let l_703 = local_idx % u32(16);
let l_704 = local_idx / u32(16);
let l_705 = l_704 * u32(4);
let l_706 = l_31 + l_705;
let l_707 = l_706 + u32(0);
let l_708 = l_707 < l_28;
if l_708 {
let l_709 = l_707 / u32(3);
let l_710 = l_709 * l_22;
let l_711 = l_27 + l_710;
let l_712 = l_707 % u32(3);
let l_713 = l_712 * u32(8);
let l_714 = l_711 + l_713;
let l_715 = u32(0) + l_703;
let l_716 = l_715 < u32(8);
if l_716 {
let l_717 = l_714 + l_715;
let l_718 = a_111[u32(0)];
let l_719 = a_702[u32(0)];
let l_720 = l_718 * l_719;
buffer_5_global[l_717] = l_720;
}
}
let l_721 = l_704 * u32(4);
let l_722 = l_31 + l_721;
let l_723 = l_722 + u32(1);
let l_724 = l_723 < l_28;
if l_724 {
let l_725 = l_723 / u32(3);
let l_726 = l_725 * l_22;
let l_727 = l_27 + l_726;
let l_728 = l_723 % u32(3);
let l_729 = l_728 * u32(8);
let l_730 = l_727 + l_729;
let l_731 = u32(0) + l_703;
let l_732 = l_731 < u32(8);
if l_732 {
let l_733 = l_730 + l_731;
let l_734 = a_111[u32(1)];
let l_735 = a_702[u32(1)];
let l_736 = l_734 * l_735;
buffer_5_global[l_733] = l_736;
}
}
let l_737 = l_704 * u32(4);
let l_738 = l_31 + l_737;
let l_739 = l_738 + u32(2);
let l_740 = l_739 < l_28;
if l_740 {
let l_741 = l_739 / u32(3);
let l_742 = l_741 * l_22;
let l_743 = l_27 + l_742;
let l_744 = l_739 % u32(3);
let l_745 = l_744 * u32(8);
let l_746 = l_743 + l_745;
let l_747 = u32(0) + l_703;
let l_748 = l_747 < u32(8);
if l_748 {
let l_749 = l_746 + l_747;
let l_750 = a_111[u32(2)];
let l_751 = a_702[u32(2)];
let l_752 = l_750 * l_751;
buffer_5_global[l_749] = l_752;
}
}
let l_753 = l_704 * u32(4);
let l_754 = l_31 + l_753;
let l_755 = l_754 + u32(3);
let l_756 = l_755 < l_28;
if l_756 {
let l_757 = l_755 / u32(3);
let l_758 = l_757 * l_22;
let l_759 = l_27 + l_758;
let l_760 = l_755 % u32(3);
let l_761 = l_760 * u32(8);
let l_762 = l_759 + l_761;
let l_763 = u32(0) + l_703;
let l_764 = l_763 < u32(8);
if l_764 {
let l_765 = l_762 + l_763;
let l_766 = a_111[u32(3)];
let l_767 = a_702[u32(3)];
let l_768 = l_766 * l_767;
buffer_5_global[l_765] = l_768;
}
}
}
