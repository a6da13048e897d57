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
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 14>,
}

@group(0)
@binding(7)
var<storage, read> info: info_st;

var<workgroup> shared_memory_34: array<f32, 2112>;

var<workgroup> shared_memory_36: array<f32, 32>;

var<workgroup> shared_memory_37: array<f32, 32>;

var<workgroup> shared_memory_35: array<f32, 1056>;

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
var a_40: array<f32, 4>;

var a_41: array<f32, 4>;

var a_50: array<f32, 8>;

var a_51: array<f32, 8>;

var a_142: array<f32, 2>;

var a_294: array<f32, 2>;

var a_653: array<f32, 1>;

var a_817: array<f32, 1>;

var a_858: array<f32, 4>;

var a_925: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_380: f32;
var l_mut_45: u32;
var l_mut_58: f32;
let l_0 = info.scalars_u32[0] * info.scalars_u32[1];
let l_1 = l_0 * info.scalars_u32[3];
let l_2 = l_1 * u32(3);
let l_3 = info.scalars_u32[2] + u32(32);
let l_4 = l_3 - u32(1);
let l_5 = l_4 / u32(32);
let l_6 = u32(2) * l_2;
let l_7 = l_5 * info.scalars_u32[3];
let l_8 = workgroup_id_no_axis / l_7;
let l_9 = workgroup_id_no_axis / l_5;
let l_10 = l_9 % info.scalars_u32[3];
let l_11 = l_8 % info.scalars_u32[0];
let l_12 = l_6 + l_11;
let l_13 = buffer_4_global[l_12];
let l_14 = u32(l_13);
let l_15 = info.scalars_u32[0] + l_12;
let l_16 = buffer_4_global[l_15];
let l_17 = u32(l_16);
let l_18 = workgroup_id_no_axis % l_5;
let l_19 = l_8 >= info.scalars_u32[0];
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
let l_28 = info.scalars_u32[3] * u32(8);
let l_29 = l_8 * info.scalars_u32[2];
let l_30 = l_29 * l_28;
let l_31 = l_10 * u32(8);
let l_32 = l_30 + l_31;
let l_33 = l_18 * u32(32);
let l_38 = local_idx % u32(16);
let l_39 = local_idx / u32(16);
a_40[u32(0)] = f32(0.0);
a_40[u32(1)] = f32(0.0);
a_40[u32(2)] = f32(0.0);
a_40[u32(3)] = f32(0.0);
a_41[u32(0)] = f32(0.0);
a_41[u32(1)] = f32(0.0);
a_41[u32(2)] = f32(0.0);
a_41[u32(3)] = f32(0.0);
let l_42 = max(l_33, l_17);
let l_43 = l_42 - l_17;
let l_44 = l_43 * u32(3);
l_mut_45 = l_44;
let l_46 = l_33 + u32(32);
let l_47 = l_46 <= l_14;
if l_47 {
l_mut_45 = l_27;
}
loop {
let l_48 = l_mut_45 < l_27;
let l_49 = !l_48;
if l_49 {
break;
}
a_50[u32(0)] = f32(0.0);
a_50[u32(1)] = f32(0.0);
a_50[u32(2)] = f32(0.0);
a_50[u32(3)] = f32(0.0);
a_50[u32(4)] = f32(0.0);
a_50[u32(5)] = f32(0.0);
a_50[u32(6)] = f32(0.0);
a_50[u32(7)] = f32(0.0);
a_51[u32(0)] = f32(0.0);
a_51[u32(1)] = f32(0.0);
a_51[u32(2)] = f32(0.0);
a_51[u32(3)] = f32(0.0);
a_51[u32(4)] = f32(0.0);
a_51[u32(5)] = f32(0.0);
a_51[u32(6)] = f32(0.0);
a_51[u32(7)] = f32(0.0);
let l_52 = local_idx % u32(16);
let l_53 = local_idx / u32(16);
workgroupBarrier();
let l_54 = u32(0) * u32(8);
let l_55 = local_idx + u32(0);
let l_56 = l_55 / u32(8);
let l_57 = l_55 % u32(8);
l_mut_58 = f32(0.0);
let l_59 = l_33 + l_56;
let l_60 = l_59 < info.scalars_u32[2];
let l_61 = l_54 + l_57;
let l_62 = l_61 < u32(8);
let l_63 = l_60 && l_62;
if l_63 {
let l_64 = l_33 + l_56;
let l_65 = l_64 / u32(1);
let l_66 = l_65 * l_28;
let l_67 = l_32 + l_66;
let l_68 = l_64 % u32(1);
let l_69 = l_68 * u32(8);
let l_70 = l_67 + l_69;
let l_71 = l_70 + l_54;
let l_72 = l_71 + l_57;
let l_73 = buffer_2_global[l_72];
l_mut_58 = l_73;
}
let l_74 = l_57 * u32(33);
let l_75 = u32(0) + l_74;
let l_76 = l_75 + l_56;
shared_memory_34[l_76] = l_mut_58;
let l_77 = local_idx + u32(128);
let l_78 = l_77 / u32(8);
let l_79 = l_77 % u32(8);
l_mut_58 = f32(0.0);
let l_80 = l_33 + l_78;
let l_81 = l_80 < info.scalars_u32[2];
let l_82 = l_54 + l_79;
let l_83 = l_82 < u32(8);
let l_84 = l_81 && l_83;
if l_84 {
let l_85 = l_33 + l_78;
let l_86 = l_85 / u32(1);
let l_87 = l_86 * l_28;
let l_88 = l_32 + l_87;
let l_89 = l_85 % u32(1);
let l_90 = l_89 * u32(8);
let l_91 = l_88 + l_90;
let l_92 = l_91 + l_54;
let l_93 = l_92 + l_79;
let l_94 = buffer_2_global[l_93];
l_mut_58 = l_94;
}
let l_95 = l_79 * u32(33);
let l_96 = u32(0) + l_95;
let l_97 = l_96 + l_78;
shared_memory_34[l_97] = l_mut_58;
let l_98 = u32(0) * u32(8);
let l_99 = local_idx + u32(0);
let l_100 = l_99 / u32(8);
let l_101 = l_99 % u32(8);
l_mut_58 = f32(0.0);
let l_102 = l_mut_45 + l_100;
let l_103 = l_102 < l_27;
let l_104 = l_98 + l_101;
let l_105 = l_104 < u32(8);
let l_106 = l_103 && l_105;
if l_106 {
let l_107 = l_mut_45 + l_100;
let l_108 = l_107 / u32(3);
let l_109 = l_108 * l_21;
let l_110 = l_26 + l_109;
let l_111 = l_107 % u32(3);
let l_112 = l_111 * u32(8);
let l_113 = l_110 + l_112;
let l_114 = l_113 + l_98;
let l_115 = l_114 + l_101;
let l_116 = buffer_1_global[l_115];
l_mut_58 = l_116;
}
let l_117 = l_101 * u32(33);
let l_118 = u32(1056) + l_117;
let l_119 = l_118 + l_100;
shared_memory_34[l_119] = l_mut_58;
let l_120 = local_idx + u32(128);
let l_121 = l_120 / u32(8);
let l_122 = l_120 % u32(8);
l_mut_58 = f32(0.0);
let l_123 = l_mut_45 + l_121;
let l_124 = l_123 < l_27;
let l_125 = l_98 + l_122;
let l_126 = l_125 < u32(8);
let l_127 = l_124 && l_126;
if l_127 {
let l_128 = l_mut_45 + l_121;
let l_129 = l_128 / u32(3);
let l_130 = l_129 * l_21;
let l_131 = l_26 + l_130;
let l_132 = l_128 % u32(3);
let l_133 = l_132 * u32(8);
let l_134 = l_131 + l_133;
let l_135 = l_134 + l_98;
let l_136 = l_135 + l_122;
let l_137 = buffer_1_global[l_136];
l_mut_58 = l_137;
}
let l_138 = l_122 * u32(33);
let l_139 = u32(1056) + l_138;
let l_140 = l_139 + l_121;
shared_memory_34[l_140] = l_mut_58;
workgroupBarrier();

for (var l_mut_141: u32 = u32(0); l_mut_141 < u32(8); l_mut_141++) {
let l_143 = l_mut_141 * u32(33);
let l_144 = u32(1056) + l_143;
let l_145 = l_144 + u32(0);
let l_146 = l_145 + l_52;
let l_147 = shared_memory_34[l_146];
a_142[u32(0)] = l_147;
let l_148 = l_mut_141 * u32(33);
let l_149 = u32(1056) + l_148;
let l_150 = l_149 + u32(16);
let l_151 = l_150 + l_52;
let l_152 = shared_memory_34[l_151];
a_142[u32(1)] = l_152;
let l_153 = l_mut_141 * u32(33);
let l_154 = l_53 * u32(4);
let l_155 = l_153 + l_154;
let l_156 = l_155 + u32(0);
let l_157 = shared_memory_34[l_156];
let l_158 = a_142[u32(0)];
let l_159 = l_157 * l_158;
let l_160 = a_50[u32(0)];
let l_161 = l_160 + l_159;
a_50[u32(0)] = l_161;
let l_162 = a_142[u32(1)];
let l_163 = l_157 * l_162;
let l_164 = a_50[u32(1)];
let l_165 = l_164 + l_163;
a_50[u32(1)] = l_165;
let l_166 = l_mut_141 * u32(33);
let l_167 = l_53 * u32(4);
let l_168 = l_166 + l_167;
let l_169 = l_168 + u32(1);
let l_170 = shared_memory_34[l_169];
let l_171 = a_142[u32(0)];
let l_172 = l_170 * l_171;
let l_173 = a_50[u32(2)];
let l_174 = l_173 + l_172;
a_50[u32(2)] = l_174;
let l_175 = a_142[u32(1)];
let l_176 = l_170 * l_175;
let l_177 = a_50[u32(3)];
let l_178 = l_177 + l_176;
a_50[u32(3)] = l_178;
let l_179 = l_mut_141 * u32(33);
let l_180 = l_53 * u32(4);
let l_181 = l_179 + l_180;
let l_182 = l_181 + u32(2);
let l_183 = shared_memory_34[l_182];
let l_184 = a_142[u32(0)];
let l_185 = l_183 * l_184;
let l_186 = a_50[u32(4)];
let l_187 = l_186 + l_185;
a_50[u32(4)] = l_187;
let l_188 = a_142[u32(1)];
let l_189 = l_183 * l_188;
let l_190 = a_50[u32(5)];
let l_191 = l_190 + l_189;
a_50[u32(5)] = l_191;
let l_192 = l_mut_141 * u32(33);
let l_193 = l_53 * u32(4);
let l_194 = l_192 + l_193;
let l_195 = l_194 + u32(3);
let l_196 = shared_memory_34[l_195];
let l_197 = a_142[u32(0)];
let l_198 = l_196 * l_197;
let l_199 = a_50[u32(6)];
let l_200 = l_199 + l_198;
a_50[u32(6)] = l_200;
let l_201 = a_142[u32(1)];
let l_202 = l_196 * l_201;
let l_203 = a_50[u32(7)];
let l_204 = l_203 + l_202;
a_50[u32(7)] = l_204;
}
let l_205 = local_idx % u32(16);
let l_206 = local_idx / u32(16);
workgroupBarrier();
let l_207 = u32(0) * u32(8);
let l_208 = local_idx + u32(0);
let l_209 = l_208 / u32(8);
let l_210 = l_208 % u32(8);
l_mut_58 = f32(0.0);
let l_211 = l_33 + l_209;
let l_212 = l_211 < info.scalars_u32[2];
let l_213 = l_207 + l_210;
let l_214 = l_213 < u32(8);
let l_215 = l_212 && l_214;
if l_215 {
let l_216 = l_33 + l_209;
let l_217 = l_216 / u32(1);
let l_218 = l_217 * l_28;
let l_219 = l_32 + l_218;
let l_220 = l_216 % u32(1);
let l_221 = l_220 * u32(8);
let l_222 = l_219 + l_221;
let l_223 = l_222 + l_207;
let l_224 = l_223 + l_210;
let l_225 = buffer_3_global[l_224];
l_mut_58 = l_225;
}
let l_226 = l_210 * u32(33);
let l_227 = u32(0) + l_226;
let l_228 = l_227 + l_209;
shared_memory_34[l_228] = l_mut_58;
let l_229 = local_idx + u32(128);
let l_230 = l_229 / u32(8);
let l_231 = l_229 % u32(8);
l_mut_58 = f32(0.0);
let l_232 = l_33 + l_230;
let l_233 = l_232 < info.scalars_u32[2];
let l_234 = l_207 + l_231;
let l_235 = l_234 < u32(8);
let l_236 = l_233 && l_235;
if l_236 {
let l_237 = l_33 + l_230;
let l_238 = l_237 / u32(1);
let l_239 = l_238 * l_28;
let l_240 = l_32 + l_239;
let l_241 = l_237 % u32(1);
let l_242 = l_241 * u32(8);
let l_243 = l_240 + l_242;
let l_244 = l_243 + l_207;
let l_245 = l_244 + l_231;
let l_246 = buffer_3_global[l_245];
l_mut_58 = l_246;
}
let l_247 = l_231 * u32(33);
let l_248 = u32(0) + l_247;
let l_249 = l_248 + l_230;
shared_memory_34[l_249] = l_mut_58;
let l_250 = u32(0) * u32(8);
let l_251 = local_idx + u32(0);
let l_252 = l_251 / u32(8);
let l_253 = l_251 % u32(8);
l_mut_58 = f32(0.0);
let l_254 = l_mut_45 + l_252;
let l_255 = l_254 < l_27;
let l_256 = l_250 + l_253;
let l_257 = l_256 < u32(8);
let l_258 = l_255 && l_257;
if l_258 {
let l_259 = l_mut_45 + l_252;
let l_260 = l_259 / u32(3);
let l_261 = l_260 * l_21;
let l_262 = l_26 + l_261;
let l_263 = l_259 % u32(3);
let l_264 = l_263 * u32(8);
let l_265 = l_262 + l_264;
let l_266 = l_265 + l_250;
let l_267 = l_266 + l_253;
let l_268 = buffer_0_global[l_267];
l_mut_58 = l_268;
}
let l_269 = l_253 * u32(33);
let l_270 = u32(1056) + l_269;
let l_271 = l_270 + l_252;
shared_memory_34[l_271] = l_mut_58;
let l_272 = local_idx + u32(128);
let l_273 = l_272 / u32(8);
let l_274 = l_272 % u32(8);
l_mut_58 = f32(0.0);
let l_275 = l_mut_45 + l_273;
let l_276 = l_275 < l_27;
let l_277 = l_250 + l_274;
let l_278 = l_277 < u32(8);
let l_279 = l_276 && l_278;
if l_279 {
let l_280 = l_mut_45 + l_273;
let l_281 = l_280 / u32(3);
let l_282 = l_281 * l_21;
let l_283 = l_26 + l_282;
let l_284 = l_280 % u32(3);
let l_285 = l_284 * u32(8);
let l_286 = l_283 + l_285;
let l_287 = l_286 + l_250;
let l_288 = l_287 + l_274;
let l_289 = buffer_0_global[l_288];
l_mut_58 = l_289;
}
let l_290 = l_274 * u32(33);
let l_291 = u32(1056) + l_290;
let l_292 = l_291 + l_273;
shared_memory_34[l_292] = l_mut_58;
workgroupBarrier();

for (var l_mut_293: u32 = u32(0); l_mut_293 < u32(8); l_mut_293++) {
let l_295 = l_mut_293 * u32(33);
let l_296 = u32(1056) + l_295;
let l_297 = l_296 + u32(0);
let l_298 = l_297 + l_205;
let l_299 = shared_memory_34[l_298];
a_294[u32(0)] = l_299;
let l_300 = l_mut_293 * u32(33);
let l_301 = u32(1056) + l_300;
let l_302 = l_301 + u32(16);
let l_303 = l_302 + l_205;
let l_304 = shared_memory_34[l_303];
a_294[u32(1)] = l_304;
let l_305 = l_mut_293 * u32(33);
let l_306 = l_206 * u32(4);
let l_307 = l_305 + l_306;
let l_308 = l_307 + u32(0);
let l_309 = shared_memory_34[l_308];
let l_310 = a_294[u32(0)];
let l_311 = l_309 * l_310;
let l_312 = a_51[u32(0)];
let l_313 = l_312 + l_311;
a_51[u32(0)] = l_313;
let l_314 = a_294[u32(1)];
let l_315 = l_309 * l_314;
let l_316 = a_51[u32(1)];
let l_317 = l_316 + l_315;
a_51[u32(1)] = l_317;
let l_318 = l_mut_293 * u32(33);
let l_319 = l_206 * u32(4);
let l_320 = l_318 + l_319;
let l_321 = l_320 + u32(1);
let l_322 = shared_memory_34[l_321];
let l_323 = a_294[u32(0)];
let l_324 = l_322 * l_323;
let l_325 = a_51[u32(2)];
let l_326 = l_325 + l_324;
a_51[u32(2)] = l_326;
let l_327 = a_294[u32(1)];
let l_328 = l_322 * l_327;
let l_329 = a_51[u32(3)];
let l_330 = l_329 + l_328;
a_51[u32(3)] = l_330;
let l_331 = l_mut_293 * u32(33);
let l_332 = l_206 * u32(4);
let l_333 = l_331 + l_332;
let l_334 = l_333 + u32(2);
let l_335 = shared_memory_34[l_334];
let l_336 = a_294[u32(0)];
let l_337 = l_335 * l_336;
let l_338 = a_51[u32(4)];
let l_339 = l_338 + l_337;
a_51[u32(4)] = l_339;
let l_340 = a_294[u32(1)];
let l_341 = l_335 * l_340;
let l_342 = a_51[u32(5)];
let l_343 = l_342 + l_341;
a_51[u32(5)] = l_343;
let l_344 = l_mut_293 * u32(33);
let l_345 = l_206 * u32(4);
let l_346 = l_344 + l_345;
let l_347 = l_346 + u32(3);
let l_348 = shared_memory_34[l_347];
let l_349 = a_294[u32(0)];
let l_350 = l_348 * l_349;
let l_351 = a_51[u32(6)];
let l_352 = l_351 + l_350;
a_51[u32(6)] = l_352;
let l_353 = a_294[u32(1)];
let l_354 = l_348 * l_353;
let l_355 = a_51[u32(7)];
let l_356 = l_355 + l_354;
a_51[u32(7)] = l_356;
}
let l_357 = local_idx < u32(32);
let l_358 = l_mut_45 + local_idx;
let l_359 = l_358 < l_27;
let l_360 = l_357 && l_359;
if l_360 {
let l_361 = l_mut_45 + local_idx;
let l_362 = l_8 * info.scalars_u32[3];
let l_363 = l_362 + l_10;
let l_364 = l_363 * u32(3);
let l_365 = l_361 % u32(3);
let l_366 = l_364 + l_365;
let l_367 = l_366 * info.scalars_u32[1];
let l_368 = l_361 / u32(3);
let l_369 = l_367 + l_368;
let l_370 = buffer_4_global[l_369];
shared_memory_36[local_idx] = l_370;
let l_371 = l_2 + l_369;
let l_372 = buffer_4_global[l_371];
shared_memory_37[local_idx] = l_372;
}
workgroupBarrier();
let l_373 = l_39 * u32(4);
let l_374 = l_33 + l_373;
let l_375 = l_374 + u32(0);
let l_376 = u32(0) + l_38;
let l_377 = l_mut_45 + l_376;
let l_378 = l_377 / u32(3);
let l_379 = l_17 + l_378;
l_mut_58 = f32(0.0);
l_mut_380 = f32(0.0);
let l_381 = l_375 >= l_14;
let l_382 = l_375 <= l_379;
let l_383 = l_381 && l_382;
let l_384 = l_mut_45 + l_376;
let l_385 = l_384 < l_27;
let l_386 = l_383 && l_385;
if l_386 {
let l_387 = a_50[u32(0)];
let l_388 = l_387 * info.scalars_f32[0];
let l_389 = shared_memory_36[l_376];
let l_390 = l_388 - l_389;
let l_391 = exp(l_390);
l_mut_58 = l_391;
let l_392 = a_51[u32(0)];
let l_393 = shared_memory_37[l_376];
let l_394 = l_392 - l_393;
let l_395 = l_mut_58 * l_394;
let l_396 = l_395 * info.scalars_f32[0];
l_mut_380 = l_396;
}
let l_397 = l_39 * u32(4);
let l_398 = l_397 + u32(0);
let l_399 = l_398 * u32(33);
let l_400 = l_399 + l_376;
shared_memory_35[l_400] = l_mut_58;
a_51[u32(0)] = l_mut_380;
let l_401 = u32(16) + l_38;
let l_402 = l_mut_45 + l_401;
let l_403 = l_402 / u32(3);
let l_404 = l_17 + l_403;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_405 = l_375 >= l_14;
let l_406 = l_375 <= l_404;
let l_407 = l_405 && l_406;
let l_408 = l_mut_45 + l_401;
let l_409 = l_408 < l_27;
let l_410 = l_407 && l_409;
if l_410 {
let l_411 = a_50[u32(1)];
let l_412 = l_411 * info.scalars_f32[0];
let l_413 = shared_memory_36[l_401];
let l_414 = l_412 - l_413;
let l_415 = exp(l_414);
l_mut_380 = l_415;
let l_416 = a_51[u32(1)];
let l_417 = shared_memory_37[l_401];
let l_418 = l_416 - l_417;
let l_419 = l_mut_380 * l_418;
let l_420 = l_419 * info.scalars_f32[0];
l_mut_58 = l_420;
}
let l_421 = l_39 * u32(4);
let l_422 = l_421 + u32(0);
let l_423 = l_422 * u32(33);
let l_424 = l_423 + l_401;
shared_memory_35[l_424] = l_mut_380;
a_51[u32(1)] = l_mut_58;
let l_425 = l_39 * u32(4);
let l_426 = l_33 + l_425;
let l_427 = l_426 + u32(1);
let l_428 = u32(0) + l_38;
let l_429 = l_mut_45 + l_428;
let l_430 = l_429 / u32(3);
let l_431 = l_17 + l_430;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_432 = l_427 >= l_14;
let l_433 = l_427 <= l_431;
let l_434 = l_432 && l_433;
let l_435 = l_mut_45 + l_428;
let l_436 = l_435 < l_27;
let l_437 = l_434 && l_436;
if l_437 {
let l_438 = a_50[u32(2)];
let l_439 = l_438 * info.scalars_f32[0];
let l_440 = shared_memory_36[l_428];
let l_441 = l_439 - l_440;
let l_442 = exp(l_441);
l_mut_380 = l_442;
let l_443 = a_51[u32(2)];
let l_444 = shared_memory_37[l_428];
let l_445 = l_443 - l_444;
let l_446 = l_mut_380 * l_445;
let l_447 = l_446 * info.scalars_f32[0];
l_mut_58 = l_447;
}
let l_448 = l_39 * u32(4);
let l_449 = l_448 + u32(1);
let l_450 = l_449 * u32(33);
let l_451 = l_450 + l_428;
shared_memory_35[l_451] = l_mut_380;
a_51[u32(2)] = l_mut_58;
let l_452 = u32(16) + l_38;
let l_453 = l_mut_45 + l_452;
let l_454 = l_453 / u32(3);
let l_455 = l_17 + l_454;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_456 = l_427 >= l_14;
let l_457 = l_427 <= l_455;
let l_458 = l_456 && l_457;
let l_459 = l_mut_45 + l_452;
let l_460 = l_459 < l_27;
let l_461 = l_458 && l_460;
if l_461 {
let l_462 = a_50[u32(3)];
let l_463 = l_462 * info.scalars_f32[0];
let l_464 = shared_memory_36[l_452];
let l_465 = l_463 - l_464;
let l_466 = exp(l_465);
l_mut_380 = l_466;
let l_467 = a_51[u32(3)];
let l_468 = shared_memory_37[l_452];
let l_469 = l_467 - l_468;
let l_470 = l_mut_380 * l_469;
let l_471 = l_470 * info.scalars_f32[0];
l_mut_58 = l_471;
}
let l_472 = l_39 * u32(4);
let l_473 = l_472 + u32(1);
let l_474 = l_473 * u32(33);
let l_475 = l_474 + l_452;
shared_memory_35[l_475] = l_mut_380;
a_51[u32(3)] = l_mut_58;
let l_476 = l_39 * u32(4);
let l_477 = l_33 + l_476;
let l_478 = l_477 + u32(2);
let l_479 = u32(0) + l_38;
let l_480 = l_mut_45 + l_479;
let l_481 = l_480 / u32(3);
let l_482 = l_17 + l_481;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_483 = l_478 >= l_14;
let l_484 = l_478 <= l_482;
let l_485 = l_483 && l_484;
let l_486 = l_mut_45 + l_479;
let l_487 = l_486 < l_27;
let l_488 = l_485 && l_487;
if l_488 {
let l_489 = a_50[u32(4)];
let l_490 = l_489 * info.scalars_f32[0];
let l_491 = shared_memory_36[l_479];
let l_492 = l_490 - l_491;
let l_493 = exp(l_492);
l_mut_380 = l_493;
let l_494 = a_51[u32(4)];
let l_495 = shared_memory_37[l_479];
let l_496 = l_494 - l_495;
let l_497 = l_mut_380 * l_496;
let l_498 = l_497 * info.scalars_f32[0];
l_mut_58 = l_498;
}
let l_499 = l_39 * u32(4);
let l_500 = l_499 + u32(2);
let l_501 = l_500 * u32(33);
let l_502 = l_501 + l_479;
shared_memory_35[l_502] = l_mut_380;
a_51[u32(4)] = l_mut_58;
let l_503 = u32(16) + l_38;
let l_504 = l_mut_45 + l_503;
let l_505 = l_504 / u32(3);
let l_506 = l_17 + l_505;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_507 = l_478 >= l_14;
let l_508 = l_478 <= l_506;
let l_509 = l_507 && l_508;
let l_510 = l_mut_45 + l_503;
let l_511 = l_510 < l_27;
let l_512 = l_509 && l_511;
if l_512 {
let l_513 = a_50[u32(5)];
let l_514 = l_513 * info.scalars_f32[0];
let l_515 = shared_memory_36[l_503];
let l_516 = l_514 - l_515;
let l_517 = exp(l_516);
l_mut_380 = l_517;
let l_518 = a_51[u32(5)];
let l_519 = shared_memory_37[l_503];
let l_520 = l_518 - l_519;
let l_521 = l_mut_380 * l_520;
let l_522 = l_521 * info.scalars_f32[0];
l_mut_58 = l_522;
}
let l_523 = l_39 * u32(4);
let l_524 = l_523 + u32(2);
let l_525 = l_524 * u32(33);
let l_526 = l_525 + l_503;
shared_memory_35[l_526] = l_mut_380;
a_51[u32(5)] = l_mut_58;
let l_527 = l_39 * u32(4);
let l_528 = l_33 + l_527;
let l_529 = l_528 + u32(3);
let l_530 = u32(0) + l_38;
let l_531 = l_mut_45 + l_530;
let l_532 = l_531 / u32(3);
let l_533 = l_17 + l_532;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_534 = l_529 >= l_14;
let l_535 = l_529 <= l_533;
let l_536 = l_534 && l_535;
let l_537 = l_mut_45 + l_530;
let l_538 = l_537 < l_27;
let l_539 = l_536 && l_538;
if l_539 {
let l_540 = a_50[u32(6)];
let l_541 = l_540 * info.scalars_f32[0];
let l_542 = shared_memory_36[l_530];
let l_543 = l_541 - l_542;
let l_544 = exp(l_543);
l_mut_380 = l_544;
let l_545 = a_51[u32(6)];
let l_546 = shared_memory_37[l_530];
let l_547 = l_545 - l_546;
let l_548 = l_mut_380 * l_547;
let l_549 = l_548 * info.scalars_f32[0];
l_mut_58 = l_549;
}
let l_550 = l_39 * u32(4);
let l_551 = l_550 + u32(3);
let l_552 = l_551 * u32(33);
let l_553 = l_552 + l_530;
shared_memory_35[l_553] = l_mut_380;
a_51[u32(6)] = l_mut_58;
let l_554 = u32(16) + l_38;
let l_555 = l_mut_45 + l_554;
let l_556 = l_555 / u32(3);
let l_557 = l_17 + l_556;
l_mut_380 = f32(0.0);
l_mut_58 = f32(0.0);
let l_558 = l_529 >= l_14;
let l_559 = l_529 <= l_557;
let l_560 = l_558 && l_559;
let l_561 = l_mut_45 + l_554;
let l_562 = l_561 < l_27;
let l_563 = l_560 && l_562;
if l_563 {
let l_564 = a_50[u32(7)];
let l_565 = l_564 * info.scalars_f32[0];
let l_566 = shared_memory_36[l_554];
let l_567 = l_565 - l_566;
let l_568 = exp(l_567);
l_mut_380 = l_568;
let l_569 = a_51[u32(7)];
let l_570 = shared_memory_37[l_554];
let l_571 = l_569 - l_570;
let l_572 = l_mut_380 * l_571;
let l_573 = l_572 * info.scalars_f32[0];
l_mut_58 = l_573;
}
let l_574 = l_39 * u32(4);
let l_575 = l_574 + u32(3);
let l_576 = l_575 * u32(33);
let l_577 = l_576 + l_554;
shared_memory_35[l_577] = l_mut_380;
a_51[u32(7)] = l_mut_58;
let l_578 = local_idx % u32(16);
let l_579 = local_idx / u32(16);
workgroupBarrier();
let l_580 = local_idx + u32(0);
let l_581 = l_580 / u32(16);
let l_582 = l_580 % u32(16);
l_mut_380 = f32(0.0);
let l_583 = l_mut_45 + l_581;
let l_584 = l_583 < l_27;
let l_585 = u32(0) + l_582;
let l_586 = l_585 < u32(8);
let l_587 = l_584 && l_586;
if l_587 {
let l_588 = l_mut_45 + l_581;
let l_589 = l_588 / u32(3);
let l_590 = l_589 * l_21;
let l_591 = l_26 + l_590;
let l_592 = l_588 % u32(3);
let l_593 = l_592 * u32(8);
let l_594 = l_591 + l_593;
let l_595 = l_594 + u32(0);
let l_596 = l_595 + l_582;
let l_597 = buffer_0_global[l_596];
l_mut_380 = l_597;
}
shared_memory_34[l_580] = l_mut_380;
let l_598 = local_idx + u32(128);
let l_599 = l_598 / u32(16);
let l_600 = l_598 % u32(16);
l_mut_380 = f32(0.0);
let l_601 = l_mut_45 + l_599;
let l_602 = l_601 < l_27;
let l_603 = u32(0) + l_600;
let l_604 = l_603 < u32(8);
let l_605 = l_602 && l_604;
if l_605 {
let l_606 = l_mut_45 + l_599;
let l_607 = l_606 / u32(3);
let l_608 = l_607 * l_21;
let l_609 = l_26 + l_608;
let l_610 = l_606 % u32(3);
let l_611 = l_610 * u32(8);
let l_612 = l_609 + l_611;
let l_613 = l_612 + u32(0);
let l_614 = l_613 + l_600;
let l_615 = buffer_0_global[l_614];
l_mut_380 = l_615;
}
shared_memory_34[l_598] = l_mut_380;
let l_616 = local_idx + u32(256);
let l_617 = l_616 / u32(16);
let l_618 = l_616 % u32(16);
l_mut_380 = f32(0.0);
let l_619 = l_mut_45 + l_617;
let l_620 = l_619 < l_27;
let l_621 = u32(0) + l_618;
let l_622 = l_621 < u32(8);
let l_623 = l_620 && l_622;
if l_623 {
let l_624 = l_mut_45 + l_617;
let l_625 = l_624 / u32(3);
let l_626 = l_625 * l_21;
let l_627 = l_26 + l_626;
let l_628 = l_624 % u32(3);
let l_629 = l_628 * u32(8);
let l_630 = l_627 + l_629;
let l_631 = l_630 + u32(0);
let l_632 = l_631 + l_618;
let l_633 = buffer_0_global[l_632];
l_mut_380 = l_633;
}
shared_memory_34[l_616] = l_mut_380;
let l_634 = local_idx + u32(384);
let l_635 = l_634 / u32(16);
let l_636 = l_634 % u32(16);
l_mut_380 = f32(0.0);
let l_637 = l_mut_45 + l_635;
let l_638 = l_637 < l_27;
let l_639 = u32(0) + l_636;
let l_640 = l_639 < u32(8);
let l_641 = l_638 && l_640;
if l_641 {
let l_642 = l_mut_45 + l_635;
let l_643 = l_642 / u32(3);
let l_644 = l_643 * l_21;
let l_645 = l_26 + l_644;
let l_646 = l_642 % u32(3);
let l_647 = l_646 * u32(8);
let l_648 = l_645 + l_647;
let l_649 = l_648 + u32(0);
let l_650 = l_649 + l_636;
let l_651 = buffer_0_global[l_650];
l_mut_380 = l_651;
}
shared_memory_34[l_634] = l_mut_380;
workgroupBarrier();

for (var l_mut_652: u32 = u32(0); l_mut_652 < u32(32); l_mut_652++) {
let l_654 = l_mut_652 * u32(16);
let l_655 = l_654 + u32(0);
let l_656 = l_655 + l_578;
let l_657 = shared_memory_34[l_656];
a_653[u32(0)] = l_657;
let l_658 = l_579 * u32(4);
let l_659 = l_658 + u32(0);
let l_660 = l_659 * u32(33);
let l_661 = l_660 + l_mut_652;
let l_662 = shared_memory_35[l_661];
let l_663 = a_653[u32(0)];
let l_664 = l_662 * l_663;
let l_665 = a_41[u32(0)];
let l_666 = l_665 + l_664;
a_41[u32(0)] = l_666;
let l_667 = l_579 * u32(4);
let l_668 = l_667 + u32(1);
let l_669 = l_668 * u32(33);
let l_670 = l_669 + l_mut_652;
let l_671 = shared_memory_35[l_670];
let l_672 = a_653[u32(0)];
let l_673 = l_671 * l_672;
let l_674 = a_41[u32(1)];
let l_675 = l_674 + l_673;
a_41[u32(1)] = l_675;
let l_676 = l_579 * u32(4);
let l_677 = l_676 + u32(2);
let l_678 = l_677 * u32(33);
let l_679 = l_678 + l_mut_652;
let l_680 = shared_memory_35[l_679];
let l_681 = a_653[u32(0)];
let l_682 = l_680 * l_681;
let l_683 = a_41[u32(2)];
let l_684 = l_683 + l_682;
a_41[u32(2)] = l_684;
let l_685 = l_579 * u32(4);
let l_686 = l_685 + u32(3);
let l_687 = l_686 * u32(33);
let l_688 = l_687 + l_mut_652;
let l_689 = shared_memory_35[l_688];
let l_690 = a_653[u32(0)];
let l_691 = l_689 * l_690;
let l_692 = a_41[u32(3)];
let l_693 = l_692 + l_691;
a_41[u32(3)] = l_693;
}
workgroupBarrier();
let l_694 = l_39 * u32(4);
let l_695 = l_694 + u32(0);
let l_696 = l_695 * u32(33);
let l_697 = l_696 + u32(0);
let l_698 = l_697 + l_38;
let l_699 = a_51[u32(0)];
shared_memory_35[l_698] = l_699;
let l_700 = l_39 * u32(4);
let l_701 = l_700 + u32(0);
let l_702 = l_701 * u32(33);
let l_703 = l_702 + u32(16);
let l_704 = l_703 + l_38;
let l_705 = a_51[u32(1)];
shared_memory_35[l_704] = l_705;
let l_706 = l_39 * u32(4);
let l_707 = l_706 + u32(1);
let l_708 = l_707 * u32(33);
let l_709 = l_708 + u32(0);
let l_710 = l_709 + l_38;
let l_711 = a_51[u32(2)];
shared_memory_35[l_710] = l_711;
let l_712 = l_39 * u32(4);
let l_713 = l_712 + u32(1);
let l_714 = l_713 * u32(33);
let l_715 = l_714 + u32(16);
let l_716 = l_715 + l_38;
let l_717 = a_51[u32(3)];
shared_memory_35[l_716] = l_717;
let l_718 = l_39 * u32(4);
let l_719 = l_718 + u32(2);
let l_720 = l_719 * u32(33);
let l_721 = l_720 + u32(0);
let l_722 = l_721 + l_38;
let l_723 = a_51[u32(4)];
shared_memory_35[l_722] = l_723;
let l_724 = l_39 * u32(4);
let l_725 = l_724 + u32(2);
let l_726 = l_725 * u32(33);
let l_727 = l_726 + u32(16);
let l_728 = l_727 + l_38;
let l_729 = a_51[u32(5)];
shared_memory_35[l_728] = l_729;
let l_730 = l_39 * u32(4);
let l_731 = l_730 + u32(3);
let l_732 = l_731 * u32(33);
let l_733 = l_732 + u32(0);
let l_734 = l_733 + l_38;
let l_735 = a_51[u32(6)];
shared_memory_35[l_734] = l_735;
let l_736 = l_39 * u32(4);
let l_737 = l_736 + u32(3);
let l_738 = l_737 * u32(33);
let l_739 = l_738 + u32(16);
let l_740 = l_739 + l_38;
let l_741 = a_51[u32(7)];
shared_memory_35[l_740] = l_741;
let l_742 = local_idx % u32(16);
let l_743 = local_idx / u32(16);
workgroupBarrier();
let l_744 = local_idx + u32(0);
let l_745 = l_744 / u32(16);
let l_746 = l_744 % u32(16);
l_mut_380 = f32(0.0);
let l_747 = l_mut_45 + l_745;
let l_748 = l_747 < l_27;
let l_749 = u32(0) + l_746;
let l_750 = l_749 < u32(8);
let l_751 = l_748 && l_750;
if l_751 {
let l_752 = l_mut_45 + l_745;
let l_753 = l_752 / u32(3);
let l_754 = l_753 * l_21;
let l_755 = l_26 + l_754;
let l_756 = l_752 % u32(3);
let l_757 = l_756 * u32(8);
let l_758 = l_755 + l_757;
let l_759 = l_758 + u32(0);
let l_760 = l_759 + l_746;
let l_761 = buffer_1_global[l_760];
l_mut_380 = l_761;
}
shared_memory_34[l_744] = l_mut_380;
let l_762 = local_idx + u32(128);
let l_763 = l_762 / u32(16);
let l_764 = l_762 % u32(16);
l_mut_380 = f32(0.0);
let l_765 = l_mut_45 + l_763;
let l_766 = l_765 < l_27;
let l_767 = u32(0) + l_764;
let l_768 = l_767 < u32(8);
let l_769 = l_766 && l_768;
if l_769 {
let l_770 = l_mut_45 + l_763;
let l_771 = l_770 / u32(3);
let l_772 = l_771 * l_21;
let l_773 = l_26 + l_772;
let l_774 = l_770 % u32(3);
let l_775 = l_774 * u32(8);
let l_776 = l_773 + l_775;
let l_777 = l_776 + u32(0);
let l_778 = l_777 + l_764;
let l_779 = buffer_1_global[l_778];
l_mut_380 = l_779;
}
shared_memory_34[l_762] = l_mut_380;
let l_780 = local_idx + u32(256);
let l_781 = l_780 / u32(16);
let l_782 = l_780 % u32(16);
l_mut_380 = f32(0.0);
let l_783 = l_mut_45 + l_781;
let l_784 = l_783 < l_27;
let l_785 = u32(0) + l_782;
let l_786 = l_785 < u32(8);
let l_787 = l_784 && l_786;
if l_787 {
let l_788 = l_mut_45 + l_781;
let l_789 = l_788 / u32(3);
let l_790 = l_789 * l_21;
let l_791 = l_26 + l_790;
let l_792 = l_788 % u32(3);
let l_793 = l_792 * u32(8);
let l_794 = l_791 + l_793;
let l_795 = l_794 + u32(0);
let l_796 = l_795 + l_782;
let l_797 = buffer_1_global[l_796];
l_mut_380 = l_797;
}
shared_memory_34[l_780] = l_mut_380;
let l_798 = local_idx + u32(384);
let l_799 = l_798 / u32(16);
let l_800 = l_798 % u32(16);
l_mut_380 = f32(0.0);
let l_801 = l_mut_45 + l_799;
let l_802 = l_801 < l_27;
let l_803 = u32(0) + l_800;
let l_804 = l_803 < u32(8);
let l_805 = l_802 && l_804;
if l_805 {
let l_806 = l_mut_45 + l_799;
let l_807 = l_806 / u32(3);
let l_808 = l_807 * l_21;
let l_809 = l_26 + l_808;
let l_810 = l_806 % u32(3);
let l_811 = l_810 * u32(8);
let l_812 = l_809 + l_811;
let l_813 = l_812 + u32(0);
let l_814 = l_813 + l_800;
let l_815 = buffer_1_global[l_814];
l_mut_380 = l_815;
}
shared_memory_34[l_798] = l_mut_380;
workgroupBarrier();

for (var l_mut_816: u32 = u32(0); l_mut_816 < u32(32); l_mut_816++) {
let l_818 = l_mut_816 * u32(16);
let l_819 = l_818 + u32(0);
let l_820 = l_819 + l_742;
let l_821 = shared_memory_34[l_820];
a_817[u32(0)] = l_821;
let l_822 = l_743 * u32(4);
let l_823 = l_822 + u32(0);
let l_824 = l_823 * u32(33);
let l_825 = l_824 + l_mut_816;
let l_826 = shared_memory_35[l_825];
let l_827 = a_817[u32(0)];
let l_828 = l_826 * l_827;
let l_829 = a_40[u32(0)];
let l_830 = l_829 + l_828;
a_40[u32(0)] = l_830;
let l_831 = l_743 * u32(4);
let l_832 = l_831 + u32(1);
let l_833 = l_832 * u32(33);
let l_834 = l_833 + l_mut_816;
let l_835 = shared_memory_35[l_834];
let l_836 = a_817[u32(0)];
let l_837 = l_835 * l_836;
let l_838 = a_40[u32(1)];
let l_839 = l_838 + l_837;
a_40[u32(1)] = l_839;
let l_840 = l_743 * u32(4);
let l_841 = l_840 + u32(2);
let l_842 = l_841 * u32(33);
let l_843 = l_842 + l_mut_816;
let l_844 = shared_memory_35[l_843];
let l_845 = a_817[u32(0)];
let l_846 = l_844 * l_845;
let l_847 = a_40[u32(2)];
let l_848 = l_847 + l_846;
a_40[u32(2)] = l_848;
let l_849 = l_743 * u32(4);
let l_850 = l_849 + u32(3);
let l_851 = l_850 * u32(33);
let l_852 = l_851 + l_mut_816;
let l_853 = shared_memory_35[l_852];
let l_854 = a_817[u32(0)];
let l_855 = l_853 * l_854;
let l_856 = a_40[u32(3)];
let l_857 = l_856 + l_855;
a_40[u32(3)] = l_857;
}
l_mut_45 = l_mut_45 + u32(32);
}
a_858[u32(0)] = f32(1.0);
a_858[u32(1)] = f32(1.0);
a_858[u32(2)] = f32(1.0);
a_858[u32(3)] = f32(1.0);
let l_859 = local_idx % u32(16);
let l_860 = local_idx / u32(16);
let l_861 = l_860 * u32(4);
let l_862 = l_33 + l_861;
let l_863 = l_862 + u32(0);
let l_864 = l_863 < info.scalars_u32[2];
if l_864 {
let l_865 = l_863 / u32(1);
let l_866 = l_865 * l_28;
let l_867 = l_32 + l_866;
let l_868 = l_863 % u32(1);
let l_869 = l_868 * u32(8);
let l_870 = l_867 + l_869;
let l_871 = u32(0) + l_859;
let l_872 = l_871 < u32(8);
if l_872 {
let l_873 = l_870 + l_871;
let l_874 = a_40[u32(0)];
let l_875 = a_858[u32(0)];
let l_876 = l_874 * l_875;
buffer_5_global[l_873] = l_876;
}
}
let l_877 = l_860 * u32(4);
let l_878 = l_33 + l_877;
let l_879 = l_878 + u32(1);
let l_880 = l_879 < info.scalars_u32[2];
if l_880 {
let l_881 = l_879 / u32(1);
let l_882 = l_881 * l_28;
let l_883 = l_32 + l_882;
let l_884 = l_879 % u32(1);
let l_885 = l_884 * u32(8);
let l_886 = l_883 + l_885;
let l_887 = u32(0) + l_859;
let l_888 = l_887 < u32(8);
if l_888 {
let l_889 = l_886 + l_887;
let l_890 = a_40[u32(1)];
let l_891 = a_858[u32(1)];
let l_892 = l_890 * l_891;
buffer_5_global[l_889] = l_892;
}
}
let l_893 = l_860 * u32(4);
let l_894 = l_33 + l_893;
let l_895 = l_894 + u32(2);
let l_896 = l_895 < info.scalars_u32[2];
if l_896 {
let l_897 = l_895 / u32(1);
let l_898 = l_897 * l_28;
let l_899 = l_32 + l_898;
let l_900 = l_895 % u32(1);
let l_901 = l_900 * u32(8);
let l_902 = l_899 + l_901;
let l_903 = u32(0) + l_859;
let l_904 = l_903 < u32(8);
if l_904 {
let l_905 = l_902 + l_903;
let l_906 = a_40[u32(2)];
let l_907 = a_858[u32(2)];
let l_908 = l_906 * l_907;
buffer_5_global[l_905] = l_908;
}
}
let l_909 = l_860 * u32(4);
let l_910 = l_33 + l_909;
let l_911 = l_910 + u32(3);
let l_912 = l_911 < info.scalars_u32[2];
if l_912 {
let l_913 = l_911 / u32(1);
let l_914 = l_913 * l_28;
let l_915 = l_32 + l_914;
let l_916 = l_911 % u32(1);
let l_917 = l_916 * u32(8);
let l_918 = l_915 + l_917;
let l_919 = u32(0) + l_859;
let l_920 = l_919 < u32(8);
if l_920 {
let l_921 = l_918 + l_919;
let l_922 = a_40[u32(3)];
let l_923 = a_858[u32(3)];
let l_924 = l_922 * l_923;
buffer_5_global[l_921] = l_924;
}
}
a_925[u32(0)] = f32(1.0);
a_925[u32(1)] = f32(1.0);
a_925[u32(2)] = f32(1.0);
a_925[u32(3)] = f32(1.0);
let l_926 = local_idx % u32(16);
let l_927 = local_idx / u32(16);
let l_928 = l_927 * u32(4);
let l_929 = l_33 + l_928;
let l_930 = l_929 + u32(0);
let l_931 = l_930 < info.scalars_u32[2];
if l_931 {
let l_932 = l_930 / u32(1);
let l_933 = l_932 * l_28;
let l_934 = l_32 + l_933;
let l_935 = l_930 % u32(1);
let l_936 = l_935 * u32(8);
let l_937 = l_934 + l_936;
let l_938 = u32(0) + l_926;
let l_939 = l_938 < u32(8);
if l_939 {
let l_940 = l_937 + l_938;
let l_941 = a_41[u32(0)];
let l_942 = a_925[u32(0)];
let l_943 = l_941 * l_942;
buffer_6_global[l_940] = l_943;
}
}
let l_944 = l_927 * u32(4);
let l_945 = l_33 + l_944;
let l_946 = l_945 + u32(1);
let l_947 = l_946 < info.scalars_u32[2];
if l_947 {
let l_948 = l_946 / u32(1);
let l_949 = l_948 * l_28;
let l_950 = l_32 + l_949;
let l_951 = l_946 % u32(1);
let l_952 = l_951 * u32(8);
let l_953 = l_950 + l_952;
let l_954 = u32(0) + l_926;
let l_955 = l_954 < u32(8);
if l_955 {
let l_956 = l_953 + l_954;
let l_957 = a_41[u32(1)];
let l_958 = a_925[u32(1)];
let l_959 = l_957 * l_958;
buffer_6_global[l_956] = l_959;
}
}
let l_960 = l_927 * u32(4);
let l_961 = l_33 + l_960;
let l_962 = l_961 + u32(2);
let l_963 = l_962 < info.scalars_u32[2];
if l_963 {
let l_964 = l_962 / u32(1);
let l_965 = l_964 * l_28;
let l_966 = l_32 + l_965;
let l_967 = l_962 % u32(1);
let l_968 = l_967 * u32(8);
let l_969 = l_966 + l_968;
let l_970 = u32(0) + l_926;
let l_971 = l_970 < u32(8);
if l_971 {
let l_972 = l_969 + l_970;
let l_973 = a_41[u32(2)];
let l_974 = a_925[u32(2)];
let l_975 = l_973 * l_974;
buffer_6_global[l_972] = l_975;
}
}
let l_976 = l_927 * u32(4);
let l_977 = l_33 + l_976;
let l_978 = l_977 + u32(3);
let l_979 = l_978 < info.scalars_u32[2];
if l_979 {
let l_980 = l_978 / u32(1);
let l_981 = l_980 * l_28;
let l_982 = l_32 + l_981;
let l_983 = l_978 % u32(1);
let l_984 = l_983 * u32(8);
let l_985 = l_982 + l_984;
let l_986 = u32(0) + l_926;
let l_987 = l_986 < u32(8);
if l_987 {
let l_988 = l_985 + l_986;
let l_989 = a_41[u32(3)];
let l_990 = a_925[u32(3)];
let l_991 = l_989 * l_990;
buffer_6_global[l_988] = l_991;
}
}
}
