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
var<storage, read_write> buffer_5_global: array<i32>;

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

var<workgroup> shared_memory_44: array<f32, 2112>;

var<workgroup> shared_memory_45: array<f32, 1056>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn of_queries_i_i32(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_48: array<f32, 4>;

var a_49: array<f32, 4>;

var a_118: array<f32, 4>;

var a_122: array<f32, 8>;

var a_123: array<f32, 8>;

var a_214: array<f32, 2>;

var a_366: array<f32, 2>;

var a_668: array<f32, 1>;

var a_709: array<f32, 4>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_119: u32;
var l_mut_130: f32;
let l_0 = info.scalars_u32[0] * u32(3);
let l_1 = l_0 + u32(32);
let l_2 = l_1 - u32(1);
let l_3 = l_2 / u32(32);
let l_4 = l_3 * info.scalars_u32[2];
let l_5 = workgroup_id_no_axis / l_4;
let l_6 = workgroup_id_no_axis / l_3;
let l_7 = l_6 % info.scalars_u32[2];
let l_8 = info.static_meta[u32(12)];
let l_9 = l_8 / u32(2);
let l_10 = l_5 % l_9;
let l_11 = buffer_5_global[l_10];
let l_12 = u32(l_11);
let l_13 = l_9 + l_10;
let l_14 = buffer_5_global[l_13];
let l_15 = u32(l_14);
let l_16 = workgroup_id_no_axis % l_3;
let l_17 = info.static_meta[u32(12)];
let l_18 = l_17 / u32(2);
let l_19 = l_5 >= l_18;
if l_19 {
return;
}
let l_20 = info.scalars_u32[2] * u32(3);
let l_21 = l_20 * u32(8);
let l_22 = l_5 * info.scalars_u32[0];
let l_23 = l_22 * l_21;
let l_24 = l_7 * u32(3);
let l_25 = l_24 * u32(8);
let l_26 = l_23 + l_25;
let l_27 = info.scalars_u32[0] * u32(3);
let l_28 = l_3 - u32(1);
let l_29 = l_28 - l_16;
let l_30 = l_29 * u32(32);
let l_31 = l_27 - u32(1);
let l_32 = l_30 + u32(32);
let l_33 = l_32 - u32(1);
let l_34 = min(l_33, l_31);
let l_35 = l_34 / u32(3);
let l_36 = l_15 + l_35;
let l_37 = l_36 + u32(1);
let l_38 = min(l_37, info.scalars_u32[1]);
let l_39 = info.scalars_u32[2] * u32(8);
let l_40 = l_5 * info.scalars_u32[1];
let l_41 = l_40 * l_39;
let l_42 = l_7 * u32(8);
let l_43 = l_41 + l_42;
let l_46 = local_idx % u32(16);
let l_47 = local_idx / u32(16);
a_48[u32(0)] = f32(0.0);
a_48[u32(1)] = f32(0.0);
a_48[u32(2)] = f32(0.0);
a_48[u32(3)] = f32(0.0);
a_49[u32(0)] = f32(0.0);
a_49[u32(1)] = f32(0.0);
a_49[u32(2)] = f32(0.0);
a_49[u32(3)] = f32(0.0);
let l_50 = l_47 * u32(4);
let l_51 = l_30 + l_50;
let l_52 = l_51 + u32(0);
let l_53 = l_52 < l_27;
if l_53 {
let l_54 = l_5 * info.scalars_u32[2];
let l_55 = l_54 + l_7;
let l_56 = l_55 * u32(3);
let l_57 = l_52 % u32(3);
let l_58 = l_56 + l_57;
let l_59 = l_58 * info.scalars_u32[0];
let l_60 = l_52 / u32(3);
let l_61 = l_59 + l_60;
let l_62 = buffer_4_global[l_61];
a_48[u32(0)] = l_62;
let l_63 = info.static_meta[u32(11)];
let l_64 = l_63 / u32(2);
let l_65 = l_64 + l_61;
let l_66 = buffer_4_global[l_65];
a_49[u32(0)] = l_66;
}
let l_67 = l_47 * u32(4);
let l_68 = l_30 + l_67;
let l_69 = l_68 + u32(1);
let l_70 = l_69 < l_27;
if l_70 {
let l_71 = l_5 * info.scalars_u32[2];
let l_72 = l_71 + l_7;
let l_73 = l_72 * u32(3);
let l_74 = l_69 % u32(3);
let l_75 = l_73 + l_74;
let l_76 = l_75 * info.scalars_u32[0];
let l_77 = l_69 / u32(3);
let l_78 = l_76 + l_77;
let l_79 = buffer_4_global[l_78];
a_48[u32(1)] = l_79;
let l_80 = info.static_meta[u32(11)];
let l_81 = l_80 / u32(2);
let l_82 = l_81 + l_78;
let l_83 = buffer_4_global[l_82];
a_49[u32(1)] = l_83;
}
let l_84 = l_47 * u32(4);
let l_85 = l_30 + l_84;
let l_86 = l_85 + u32(2);
let l_87 = l_86 < l_27;
if l_87 {
let l_88 = l_5 * info.scalars_u32[2];
let l_89 = l_88 + l_7;
let l_90 = l_89 * u32(3);
let l_91 = l_86 % u32(3);
let l_92 = l_90 + l_91;
let l_93 = l_92 * info.scalars_u32[0];
let l_94 = l_86 / u32(3);
let l_95 = l_93 + l_94;
let l_96 = buffer_4_global[l_95];
a_48[u32(2)] = l_96;
let l_97 = info.static_meta[u32(11)];
let l_98 = l_97 / u32(2);
let l_99 = l_98 + l_95;
let l_100 = buffer_4_global[l_99];
a_49[u32(2)] = l_100;
}
let l_101 = l_47 * u32(4);
let l_102 = l_30 + l_101;
let l_103 = l_102 + u32(3);
let l_104 = l_103 < l_27;
if l_104 {
let l_105 = l_5 * info.scalars_u32[2];
let l_106 = l_105 + l_7;
let l_107 = l_106 * u32(3);
let l_108 = l_103 % u32(3);
let l_109 = l_107 + l_108;
let l_110 = l_109 * info.scalars_u32[0];
let l_111 = l_103 / u32(3);
let l_112 = l_110 + l_111;
let l_113 = buffer_4_global[l_112];
a_48[u32(3)] = l_113;
let l_114 = info.static_meta[u32(11)];
let l_115 = l_114 / u32(2);
let l_116 = l_115 + l_112;
let l_117 = buffer_4_global[l_116];
a_49[u32(3)] = l_117;
}
a_118[u32(0)] = f32(0.0);
a_118[u32(1)] = f32(0.0);
a_118[u32(2)] = f32(0.0);
a_118[u32(3)] = f32(0.0);
l_mut_119 = l_12;
loop {
let l_120 = l_mut_119 < l_38;
let l_121 = !l_120;
if l_121 {
break;
}
a_122[u32(0)] = f32(0.0);
a_122[u32(1)] = f32(0.0);
a_122[u32(2)] = f32(0.0);
a_122[u32(3)] = f32(0.0);
a_122[u32(4)] = f32(0.0);
a_122[u32(5)] = f32(0.0);
a_122[u32(6)] = f32(0.0);
a_122[u32(7)] = f32(0.0);
a_123[u32(0)] = f32(0.0);
a_123[u32(1)] = f32(0.0);
a_123[u32(2)] = f32(0.0);
a_123[u32(3)] = f32(0.0);
a_123[u32(4)] = f32(0.0);
a_123[u32(5)] = f32(0.0);
a_123[u32(6)] = f32(0.0);
a_123[u32(7)] = f32(0.0);
let l_124 = local_idx % u32(16);
let l_125 = local_idx / u32(16);
workgroupBarrier();
let l_126 = u32(0) * u32(8);
let l_127 = local_idx + u32(0);
let l_128 = l_127 / u32(8);
let l_129 = l_127 % u32(8);
l_mut_130 = f32(0.0);
let l_131 = l_30 + l_128;
let l_132 = l_131 < l_27;
let l_133 = l_126 + l_129;
let l_134 = l_133 < u32(8);
let l_135 = l_132 && l_134;
if l_135 {
let l_136 = l_30 + l_128;
let l_137 = l_136 / u32(3);
let l_138 = l_137 * l_21;
let l_139 = l_26 + l_138;
let l_140 = l_136 % u32(3);
let l_141 = l_140 * u32(8);
let l_142 = l_139 + l_141;
let l_143 = l_142 + l_126;
let l_144 = l_143 + l_129;
let l_145 = buffer_1_global[l_144];
l_mut_130 = l_145;
}
let l_146 = l_129 * u32(33);
let l_147 = u32(0) + l_146;
let l_148 = l_147 + l_128;
shared_memory_44[l_148] = l_mut_130;
let l_149 = local_idx + u32(128);
let l_150 = l_149 / u32(8);
let l_151 = l_149 % u32(8);
l_mut_130 = f32(0.0);
let l_152 = l_30 + l_150;
let l_153 = l_152 < l_27;
let l_154 = l_126 + l_151;
let l_155 = l_154 < u32(8);
let l_156 = l_153 && l_155;
if l_156 {
let l_157 = l_30 + l_150;
let l_158 = l_157 / u32(3);
let l_159 = l_158 * l_21;
let l_160 = l_26 + l_159;
let l_161 = l_157 % u32(3);
let l_162 = l_161 * u32(8);
let l_163 = l_160 + l_162;
let l_164 = l_163 + l_126;
let l_165 = l_164 + l_151;
let l_166 = buffer_1_global[l_165];
l_mut_130 = l_166;
}
let l_167 = l_151 * u32(33);
let l_168 = u32(0) + l_167;
let l_169 = l_168 + l_150;
shared_memory_44[l_169] = l_mut_130;
let l_170 = u32(0) * u32(8);
let l_171 = local_idx + u32(0);
let l_172 = l_171 / u32(8);
let l_173 = l_171 % u32(8);
l_mut_130 = f32(0.0);
let l_174 = l_mut_119 + l_172;
let l_175 = l_174 < l_38;
let l_176 = l_170 + l_173;
let l_177 = l_176 < u32(8);
let l_178 = l_175 && l_177;
if l_178 {
let l_179 = l_mut_119 + l_172;
let l_180 = l_179 / u32(1);
let l_181 = l_180 * l_39;
let l_182 = l_43 + l_181;
let l_183 = l_179 % u32(1);
let l_184 = l_183 * u32(8);
let l_185 = l_182 + l_184;
let l_186 = l_185 + l_170;
let l_187 = l_186 + l_173;
let l_188 = buffer_2_global[l_187];
l_mut_130 = l_188;
}
let l_189 = l_173 * u32(33);
let l_190 = u32(1056) + l_189;
let l_191 = l_190 + l_172;
shared_memory_44[l_191] = l_mut_130;
let l_192 = local_idx + u32(128);
let l_193 = l_192 / u32(8);
let l_194 = l_192 % u32(8);
l_mut_130 = f32(0.0);
let l_195 = l_mut_119 + l_193;
let l_196 = l_195 < l_38;
let l_197 = l_170 + l_194;
let l_198 = l_197 < u32(8);
let l_199 = l_196 && l_198;
if l_199 {
let l_200 = l_mut_119 + l_193;
let l_201 = l_200 / u32(1);
let l_202 = l_201 * l_39;
let l_203 = l_43 + l_202;
let l_204 = l_200 % u32(1);
let l_205 = l_204 * u32(8);
let l_206 = l_203 + l_205;
let l_207 = l_206 + l_170;
let l_208 = l_207 + l_194;
let l_209 = buffer_2_global[l_208];
l_mut_130 = l_209;
}
let l_210 = l_194 * u32(33);
let l_211 = u32(1056) + l_210;
let l_212 = l_211 + l_193;
shared_memory_44[l_212] = l_mut_130;
workgroupBarrier();

for (var l_mut_213: u32 = u32(0); l_mut_213 < u32(8); l_mut_213++) {
let l_215 = l_mut_213 * u32(33);
let l_216 = u32(1056) + l_215;
let l_217 = l_216 + u32(0);
let l_218 = l_217 + l_124;
let l_219 = shared_memory_44[l_218];
a_214[u32(0)] = l_219;
let l_220 = l_mut_213 * u32(33);
let l_221 = u32(1056) + l_220;
let l_222 = l_221 + u32(16);
let l_223 = l_222 + l_124;
let l_224 = shared_memory_44[l_223];
a_214[u32(1)] = l_224;
let l_225 = l_mut_213 * u32(33);
let l_226 = l_125 * u32(4);
let l_227 = l_225 + l_226;
let l_228 = l_227 + u32(0);
let l_229 = shared_memory_44[l_228];
let l_230 = a_214[u32(0)];
let l_231 = l_229 * l_230;
let l_232 = a_122[u32(0)];
let l_233 = l_232 + l_231;
a_122[u32(0)] = l_233;
let l_234 = a_214[u32(1)];
let l_235 = l_229 * l_234;
let l_236 = a_122[u32(1)];
let l_237 = l_236 + l_235;
a_122[u32(1)] = l_237;
let l_238 = l_mut_213 * u32(33);
let l_239 = l_125 * u32(4);
let l_240 = l_238 + l_239;
let l_241 = l_240 + u32(1);
let l_242 = shared_memory_44[l_241];
let l_243 = a_214[u32(0)];
let l_244 = l_242 * l_243;
let l_245 = a_122[u32(2)];
let l_246 = l_245 + l_244;
a_122[u32(2)] = l_246;
let l_247 = a_214[u32(1)];
let l_248 = l_242 * l_247;
let l_249 = a_122[u32(3)];
let l_250 = l_249 + l_248;
a_122[u32(3)] = l_250;
let l_251 = l_mut_213 * u32(33);
let l_252 = l_125 * u32(4);
let l_253 = l_251 + l_252;
let l_254 = l_253 + u32(2);
let l_255 = shared_memory_44[l_254];
let l_256 = a_214[u32(0)];
let l_257 = l_255 * l_256;
let l_258 = a_122[u32(4)];
let l_259 = l_258 + l_257;
a_122[u32(4)] = l_259;
let l_260 = a_214[u32(1)];
let l_261 = l_255 * l_260;
let l_262 = a_122[u32(5)];
let l_263 = l_262 + l_261;
a_122[u32(5)] = l_263;
let l_264 = l_mut_213 * u32(33);
let l_265 = l_125 * u32(4);
let l_266 = l_264 + l_265;
let l_267 = l_266 + u32(3);
let l_268 = shared_memory_44[l_267];
let l_269 = a_214[u32(0)];
let l_270 = l_268 * l_269;
let l_271 = a_122[u32(6)];
let l_272 = l_271 + l_270;
a_122[u32(6)] = l_272;
let l_273 = a_214[u32(1)];
let l_274 = l_268 * l_273;
let l_275 = a_122[u32(7)];
let l_276 = l_275 + l_274;
a_122[u32(7)] = l_276;
}
let l_277 = local_idx % u32(16);
let l_278 = local_idx / u32(16);
workgroupBarrier();
let l_279 = u32(0) * u32(8);
let l_280 = local_idx + u32(0);
let l_281 = l_280 / u32(8);
let l_282 = l_280 % u32(8);
l_mut_130 = f32(0.0);
let l_283 = l_30 + l_281;
let l_284 = l_283 < l_27;
let l_285 = l_279 + l_282;
let l_286 = l_285 < u32(8);
let l_287 = l_284 && l_286;
if l_287 {
let l_288 = l_30 + l_281;
let l_289 = l_288 / u32(3);
let l_290 = l_289 * l_21;
let l_291 = l_26 + l_290;
let l_292 = l_288 % u32(3);
let l_293 = l_292 * u32(8);
let l_294 = l_291 + l_293;
let l_295 = l_294 + l_279;
let l_296 = l_295 + l_282;
let l_297 = buffer_0_global[l_296];
l_mut_130 = l_297;
}
let l_298 = l_282 * u32(33);
let l_299 = u32(0) + l_298;
let l_300 = l_299 + l_281;
shared_memory_44[l_300] = l_mut_130;
let l_301 = local_idx + u32(128);
let l_302 = l_301 / u32(8);
let l_303 = l_301 % u32(8);
l_mut_130 = f32(0.0);
let l_304 = l_30 + l_302;
let l_305 = l_304 < l_27;
let l_306 = l_279 + l_303;
let l_307 = l_306 < u32(8);
let l_308 = l_305 && l_307;
if l_308 {
let l_309 = l_30 + l_302;
let l_310 = l_309 / u32(3);
let l_311 = l_310 * l_21;
let l_312 = l_26 + l_311;
let l_313 = l_309 % u32(3);
let l_314 = l_313 * u32(8);
let l_315 = l_312 + l_314;
let l_316 = l_315 + l_279;
let l_317 = l_316 + l_303;
let l_318 = buffer_0_global[l_317];
l_mut_130 = l_318;
}
let l_319 = l_303 * u32(33);
let l_320 = u32(0) + l_319;
let l_321 = l_320 + l_302;
shared_memory_44[l_321] = l_mut_130;
let l_322 = u32(0) * u32(8);
let l_323 = local_idx + u32(0);
let l_324 = l_323 / u32(8);
let l_325 = l_323 % u32(8);
l_mut_130 = f32(0.0);
let l_326 = l_mut_119 + l_324;
let l_327 = l_326 < l_38;
let l_328 = l_322 + l_325;
let l_329 = l_328 < u32(8);
let l_330 = l_327 && l_329;
if l_330 {
let l_331 = l_mut_119 + l_324;
let l_332 = l_331 / u32(1);
let l_333 = l_332 * l_39;
let l_334 = l_43 + l_333;
let l_335 = l_331 % u32(1);
let l_336 = l_335 * u32(8);
let l_337 = l_334 + l_336;
let l_338 = l_337 + l_322;
let l_339 = l_338 + l_325;
let l_340 = buffer_3_global[l_339];
l_mut_130 = l_340;
}
let l_341 = l_325 * u32(33);
let l_342 = u32(1056) + l_341;
let l_343 = l_342 + l_324;
shared_memory_44[l_343] = l_mut_130;
let l_344 = local_idx + u32(128);
let l_345 = l_344 / u32(8);
let l_346 = l_344 % u32(8);
l_mut_130 = f32(0.0);
let l_347 = l_mut_119 + l_345;
let l_348 = l_347 < l_38;
let l_349 = l_322 + l_346;
let l_350 = l_349 < u32(8);
let l_351 = l_348 && l_350;
if l_351 {
let l_352 = l_mut_119 + l_345;
let l_353 = l_352 / u32(1);
let l_354 = l_353 * l_39;
let l_355 = l_43 + l_354;
let l_356 = l_352 % u32(1);
let l_357 = l_356 * u32(8);
let l_358 = l_355 + l_357;
let l_359 = l_358 + l_322;
let l_360 = l_359 + l_346;
let l_361 = buffer_3_global[l_360];
l_mut_130 = l_361;
}
let l_362 = l_346 * u32(33);
let l_363 = u32(1056) + l_362;
let l_364 = l_363 + l_345;
shared_memory_44[l_364] = l_mut_130;
workgroupBarrier();

for (var l_mut_365: u32 = u32(0); l_mut_365 < u32(8); l_mut_365++) {
let l_367 = l_mut_365 * u32(33);
let l_368 = u32(1056) + l_367;
let l_369 = l_368 + u32(0);
let l_370 = l_369 + l_277;
let l_371 = shared_memory_44[l_370];
a_366[u32(0)] = l_371;
let l_372 = l_mut_365 * u32(33);
let l_373 = u32(1056) + l_372;
let l_374 = l_373 + u32(16);
let l_375 = l_374 + l_277;
let l_376 = shared_memory_44[l_375];
a_366[u32(1)] = l_376;
let l_377 = l_mut_365 * u32(33);
let l_378 = l_278 * u32(4);
let l_379 = l_377 + l_378;
let l_380 = l_379 + u32(0);
let l_381 = shared_memory_44[l_380];
let l_382 = a_366[u32(0)];
let l_383 = l_381 * l_382;
let l_384 = a_123[u32(0)];
let l_385 = l_384 + l_383;
a_123[u32(0)] = l_385;
let l_386 = a_366[u32(1)];
let l_387 = l_381 * l_386;
let l_388 = a_123[u32(1)];
let l_389 = l_388 + l_387;
a_123[u32(1)] = l_389;
let l_390 = l_mut_365 * u32(33);
let l_391 = l_278 * u32(4);
let l_392 = l_390 + l_391;
let l_393 = l_392 + u32(1);
let l_394 = shared_memory_44[l_393];
let l_395 = a_366[u32(0)];
let l_396 = l_394 * l_395;
let l_397 = a_123[u32(2)];
let l_398 = l_397 + l_396;
a_123[u32(2)] = l_398;
let l_399 = a_366[u32(1)];
let l_400 = l_394 * l_399;
let l_401 = a_123[u32(3)];
let l_402 = l_401 + l_400;
a_123[u32(3)] = l_402;
let l_403 = l_mut_365 * u32(33);
let l_404 = l_278 * u32(4);
let l_405 = l_403 + l_404;
let l_406 = l_405 + u32(2);
let l_407 = shared_memory_44[l_406];
let l_408 = a_366[u32(0)];
let l_409 = l_407 * l_408;
let l_410 = a_123[u32(4)];
let l_411 = l_410 + l_409;
a_123[u32(4)] = l_411;
let l_412 = a_366[u32(1)];
let l_413 = l_407 * l_412;
let l_414 = a_123[u32(5)];
let l_415 = l_414 + l_413;
a_123[u32(5)] = l_415;
let l_416 = l_mut_365 * u32(33);
let l_417 = l_278 * u32(4);
let l_418 = l_416 + l_417;
let l_419 = l_418 + u32(3);
let l_420 = shared_memory_44[l_419];
let l_421 = a_366[u32(0)];
let l_422 = l_420 * l_421;
let l_423 = a_123[u32(6)];
let l_424 = l_423 + l_422;
a_123[u32(6)] = l_424;
let l_425 = a_366[u32(1)];
let l_426 = l_420 * l_425;
let l_427 = a_123[u32(7)];
let l_428 = l_427 + l_426;
a_123[u32(7)] = l_428;
}
let l_429 = l_47 * u32(4);
let l_430 = l_429 + u32(0);
let l_431 = l_30 + l_430;
let l_432 = l_431 / u32(3);
let l_433 = l_15 + l_432;
let l_434 = u32(0) + l_46;
l_mut_130 = f32(0.0);
let l_435 = l_mut_119 + l_434;
let l_436 = l_435 <= l_433;
let l_437 = l_30 + l_430;
let l_438 = l_437 < l_27;
let l_439 = l_436 && l_438;
if l_439 {
let l_440 = a_122[u32(0)];
let l_441 = l_440 * info.scalars_f32[0];
let l_442 = a_48[u32(0)];
let l_443 = l_441 - l_442;
let l_444 = exp(l_443);
let l_445 = a_123[u32(0)];
let l_446 = a_49[u32(0)];
let l_447 = l_445 - l_446;
let l_448 = l_444 * l_447;
let l_449 = l_448 * info.scalars_f32[0];
l_mut_130 = l_449;
}
let l_450 = l_430 * u32(33);
let l_451 = l_450 + l_434;
shared_memory_45[l_451] = l_mut_130;
let l_452 = u32(16) + l_46;
l_mut_130 = f32(0.0);
let l_453 = l_mut_119 + l_452;
let l_454 = l_453 <= l_433;
let l_455 = l_30 + l_430;
let l_456 = l_455 < l_27;
let l_457 = l_454 && l_456;
if l_457 {
let l_458 = a_122[u32(1)];
let l_459 = l_458 * info.scalars_f32[0];
let l_460 = a_48[u32(0)];
let l_461 = l_459 - l_460;
let l_462 = exp(l_461);
let l_463 = a_123[u32(1)];
let l_464 = a_49[u32(0)];
let l_465 = l_463 - l_464;
let l_466 = l_462 * l_465;
let l_467 = l_466 * info.scalars_f32[0];
l_mut_130 = l_467;
}
let l_468 = l_430 * u32(33);
let l_469 = l_468 + l_452;
shared_memory_45[l_469] = l_mut_130;
let l_470 = l_47 * u32(4);
let l_471 = l_470 + u32(1);
let l_472 = l_30 + l_471;
let l_473 = l_472 / u32(3);
let l_474 = l_15 + l_473;
let l_475 = u32(0) + l_46;
l_mut_130 = f32(0.0);
let l_476 = l_mut_119 + l_475;
let l_477 = l_476 <= l_474;
let l_478 = l_30 + l_471;
let l_479 = l_478 < l_27;
let l_480 = l_477 && l_479;
if l_480 {
let l_481 = a_122[u32(2)];
let l_482 = l_481 * info.scalars_f32[0];
let l_483 = a_48[u32(1)];
let l_484 = l_482 - l_483;
let l_485 = exp(l_484);
let l_486 = a_123[u32(2)];
let l_487 = a_49[u32(1)];
let l_488 = l_486 - l_487;
let l_489 = l_485 * l_488;
let l_490 = l_489 * info.scalars_f32[0];
l_mut_130 = l_490;
}
let l_491 = l_471 * u32(33);
let l_492 = l_491 + l_475;
shared_memory_45[l_492] = l_mut_130;
let l_493 = u32(16) + l_46;
l_mut_130 = f32(0.0);
let l_494 = l_mut_119 + l_493;
let l_495 = l_494 <= l_474;
let l_496 = l_30 + l_471;
let l_497 = l_496 < l_27;
let l_498 = l_495 && l_497;
if l_498 {
let l_499 = a_122[u32(3)];
let l_500 = l_499 * info.scalars_f32[0];
let l_501 = a_48[u32(1)];
let l_502 = l_500 - l_501;
let l_503 = exp(l_502);
let l_504 = a_123[u32(3)];
let l_505 = a_49[u32(1)];
let l_506 = l_504 - l_505;
let l_507 = l_503 * l_506;
let l_508 = l_507 * info.scalars_f32[0];
l_mut_130 = l_508;
}
let l_509 = l_471 * u32(33);
let l_510 = l_509 + l_493;
shared_memory_45[l_510] = l_mut_130;
let l_511 = l_47 * u32(4);
let l_512 = l_511 + u32(2);
let l_513 = l_30 + l_512;
let l_514 = l_513 / u32(3);
let l_515 = l_15 + l_514;
let l_516 = u32(0) + l_46;
l_mut_130 = f32(0.0);
let l_517 = l_mut_119 + l_516;
let l_518 = l_517 <= l_515;
let l_519 = l_30 + l_512;
let l_520 = l_519 < l_27;
let l_521 = l_518 && l_520;
if l_521 {
let l_522 = a_122[u32(4)];
let l_523 = l_522 * info.scalars_f32[0];
let l_524 = a_48[u32(2)];
let l_525 = l_523 - l_524;
let l_526 = exp(l_525);
let l_527 = a_123[u32(4)];
let l_528 = a_49[u32(2)];
let l_529 = l_527 - l_528;
let l_530 = l_526 * l_529;
let l_531 = l_530 * info.scalars_f32[0];
l_mut_130 = l_531;
}
let l_532 = l_512 * u32(33);
let l_533 = l_532 + l_516;
shared_memory_45[l_533] = l_mut_130;
let l_534 = u32(16) + l_46;
l_mut_130 = f32(0.0);
let l_535 = l_mut_119 + l_534;
let l_536 = l_535 <= l_515;
let l_537 = l_30 + l_512;
let l_538 = l_537 < l_27;
let l_539 = l_536 && l_538;
if l_539 {
let l_540 = a_122[u32(5)];
let l_541 = l_540 * info.scalars_f32[0];
let l_542 = a_48[u32(2)];
let l_543 = l_541 - l_542;
let l_544 = exp(l_543);
let l_545 = a_123[u32(5)];
let l_546 = a_49[u32(2)];
let l_547 = l_545 - l_546;
let l_548 = l_544 * l_547;
let l_549 = l_548 * info.scalars_f32[0];
l_mut_130 = l_549;
}
let l_550 = l_512 * u32(33);
let l_551 = l_550 + l_534;
shared_memory_45[l_551] = l_mut_130;
let l_552 = l_47 * u32(4);
let l_553 = l_552 + u32(3);
let l_554 = l_30 + l_553;
let l_555 = l_554 / u32(3);
let l_556 = l_15 + l_555;
let l_557 = u32(0) + l_46;
l_mut_130 = f32(0.0);
let l_558 = l_mut_119 + l_557;
let l_559 = l_558 <= l_556;
let l_560 = l_30 + l_553;
let l_561 = l_560 < l_27;
let l_562 = l_559 && l_561;
if l_562 {
let l_563 = a_122[u32(6)];
let l_564 = l_563 * info.scalars_f32[0];
let l_565 = a_48[u32(3)];
let l_566 = l_564 - l_565;
let l_567 = exp(l_566);
let l_568 = a_123[u32(6)];
let l_569 = a_49[u32(3)];
let l_570 = l_568 - l_569;
let l_571 = l_567 * l_570;
let l_572 = l_571 * info.scalars_f32[0];
l_mut_130 = l_572;
}
let l_573 = l_553 * u32(33);
let l_574 = l_573 + l_557;
shared_memory_45[l_574] = l_mut_130;
let l_575 = u32(16) + l_46;
l_mut_130 = f32(0.0);
let l_576 = l_mut_119 + l_575;
let l_577 = l_576 <= l_556;
let l_578 = l_30 + l_553;
let l_579 = l_578 < l_27;
let l_580 = l_577 && l_579;
if l_580 {
let l_581 = a_122[u32(7)];
let l_582 = l_581 * info.scalars_f32[0];
let l_583 = a_48[u32(3)];
let l_584 = l_582 - l_583;
let l_585 = exp(l_584);
let l_586 = a_123[u32(7)];
let l_587 = a_49[u32(3)];
let l_588 = l_586 - l_587;
let l_589 = l_585 * l_588;
let l_590 = l_589 * info.scalars_f32[0];
l_mut_130 = l_590;
}
let l_591 = l_553 * u32(33);
let l_592 = l_591 + l_575;
shared_memory_45[l_592] = l_mut_130;
let l_593 = local_idx % u32(16);
let l_594 = local_idx / u32(16);
workgroupBarrier();
let l_595 = local_idx + u32(0);
let l_596 = l_595 / u32(16);
let l_597 = l_595 % u32(16);
l_mut_130 = f32(0.0);
let l_598 = l_mut_119 + l_596;
let l_599 = l_598 < l_38;
let l_600 = u32(0) + l_597;
let l_601 = l_600 < u32(8);
let l_602 = l_599 && l_601;
if l_602 {
let l_603 = l_mut_119 + l_596;
let l_604 = l_603 / u32(1);
let l_605 = l_604 * l_39;
let l_606 = l_43 + l_605;
let l_607 = l_603 % u32(1);
let l_608 = l_607 * u32(8);
let l_609 = l_606 + l_608;
let l_610 = l_609 + u32(0);
let l_611 = l_610 + l_597;
let l_612 = buffer_2_global[l_611];
l_mut_130 = l_612;
}
shared_memory_44[l_595] = l_mut_130;
let l_613 = local_idx + u32(128);
let l_614 = l_613 / u32(16);
let l_615 = l_613 % u32(16);
l_mut_130 = f32(0.0);
let l_616 = l_mut_119 + l_614;
let l_617 = l_616 < l_38;
let l_618 = u32(0) + l_615;
let l_619 = l_618 < u32(8);
let l_620 = l_617 && l_619;
if l_620 {
let l_621 = l_mut_119 + l_614;
let l_622 = l_621 / u32(1);
let l_623 = l_622 * l_39;
let l_624 = l_43 + l_623;
let l_625 = l_621 % u32(1);
let l_626 = l_625 * u32(8);
let l_627 = l_624 + l_626;
let l_628 = l_627 + u32(0);
let l_629 = l_628 + l_615;
let l_630 = buffer_2_global[l_629];
l_mut_130 = l_630;
}
shared_memory_44[l_613] = l_mut_130;
let l_631 = local_idx + u32(256);
let l_632 = l_631 / u32(16);
let l_633 = l_631 % u32(16);
l_mut_130 = f32(0.0);
let l_634 = l_mut_119 + l_632;
let l_635 = l_634 < l_38;
let l_636 = u32(0) + l_633;
let l_637 = l_636 < u32(8);
let l_638 = l_635 && l_637;
if l_638 {
let l_639 = l_mut_119 + l_632;
let l_640 = l_639 / u32(1);
let l_641 = l_640 * l_39;
let l_642 = l_43 + l_641;
let l_643 = l_639 % u32(1);
let l_644 = l_643 * u32(8);
let l_645 = l_642 + l_644;
let l_646 = l_645 + u32(0);
let l_647 = l_646 + l_633;
let l_648 = buffer_2_global[l_647];
l_mut_130 = l_648;
}
shared_memory_44[l_631] = l_mut_130;
let l_649 = local_idx + u32(384);
let l_650 = l_649 / u32(16);
let l_651 = l_649 % u32(16);
l_mut_130 = f32(0.0);
let l_652 = l_mut_119 + l_650;
let l_653 = l_652 < l_38;
let l_654 = u32(0) + l_651;
let l_655 = l_654 < u32(8);
let l_656 = l_653 && l_655;
if l_656 {
let l_657 = l_mut_119 + l_650;
let l_658 = l_657 / u32(1);
let l_659 = l_658 * l_39;
let l_660 = l_43 + l_659;
let l_661 = l_657 % u32(1);
let l_662 = l_661 * u32(8);
let l_663 = l_660 + l_662;
let l_664 = l_663 + u32(0);
let l_665 = l_664 + l_651;
let l_666 = buffer_2_global[l_665];
l_mut_130 = l_666;
}
shared_memory_44[l_649] = l_mut_130;
workgroupBarrier();

for (var l_mut_667: u32 = u32(0); l_mut_667 < u32(32); l_mut_667++) {
let l_669 = l_mut_667 * u32(16);
let l_670 = l_669 + u32(0);
let l_671 = l_670 + l_593;
let l_672 = shared_memory_44[l_671];
a_668[u32(0)] = l_672;
let l_673 = l_594 * u32(4);
let l_674 = l_673 + u32(0);
let l_675 = l_674 * u32(33);
let l_676 = l_675 + l_mut_667;
let l_677 = shared_memory_45[l_676];
let l_678 = a_668[u32(0)];
let l_679 = l_677 * l_678;
let l_680 = a_118[u32(0)];
let l_681 = l_680 + l_679;
a_118[u32(0)] = l_681;
let l_682 = l_594 * u32(4);
let l_683 = l_682 + u32(1);
let l_684 = l_683 * u32(33);
let l_685 = l_684 + l_mut_667;
let l_686 = shared_memory_45[l_685];
let l_687 = a_668[u32(0)];
let l_688 = l_686 * l_687;
let l_689 = a_118[u32(1)];
let l_690 = l_689 + l_688;
a_118[u32(1)] = l_690;
let l_691 = l_594 * u32(4);
let l_692 = l_691 + u32(2);
let l_693 = l_692 * u32(33);
let l_694 = l_693 + l_mut_667;
let l_695 = shared_memory_45[l_694];
let l_696 = a_668[u32(0)];
let l_697 = l_695 * l_696;
let l_698 = a_118[u32(2)];
let l_699 = l_698 + l_697;
a_118[u32(2)] = l_699;
let l_700 = l_594 * u32(4);
let l_701 = l_700 + u32(3);
let l_702 = l_701 * u32(33);
let l_703 = l_702 + l_mut_667;
let l_704 = shared_memory_45[l_703];
let l_705 = a_668[u32(0)];
let l_706 = l_704 * l_705;
let l_707 = a_118[u32(3)];
let l_708 = l_707 + l_706;
a_118[u32(3)] = l_708;
}
l_mut_119 = l_mut_119 + u32(32);
}
a_709[u32(0)] = f32(1.0);
a_709[u32(1)] = f32(1.0);
a_709[u32(2)] = f32(1.0);
a_709[u32(3)] = f32(1.0);
let l_710 = local_idx % u32(16);
let l_711 = local_idx / u32(16);
let l_712 = l_711 * u32(4);
let l_713 = l_30 + l_712;
let l_714 = l_713 + u32(0);
let l_715 = l_714 < l_27;
if l_715 {
let l_716 = l_714 / u32(3);
let l_717 = l_716 * l_21;
let l_718 = l_26 + l_717;
let l_719 = l_714 % u32(3);
let l_720 = l_719 * u32(8);
let l_721 = l_718 + l_720;
let l_722 = u32(0) + l_710;
let l_723 = l_722 < u32(8);
if l_723 {
let l_724 = l_721 + l_722;
let l_725 = a_118[u32(0)];
let l_726 = a_709[u32(0)];
let l_727 = l_725 * l_726;
buffer_6_global[l_724] = l_727;
}
}
let l_728 = l_711 * u32(4);
let l_729 = l_30 + l_728;
let l_730 = l_729 + u32(1);
let l_731 = l_730 < l_27;
if l_731 {
let l_732 = l_730 / u32(3);
let l_733 = l_732 * l_21;
let l_734 = l_26 + l_733;
let l_735 = l_730 % u32(3);
let l_736 = l_735 * u32(8);
let l_737 = l_734 + l_736;
let l_738 = u32(0) + l_710;
let l_739 = l_738 < u32(8);
if l_739 {
let l_740 = l_737 + l_738;
let l_741 = a_118[u32(1)];
let l_742 = a_709[u32(1)];
let l_743 = l_741 * l_742;
buffer_6_global[l_740] = l_743;
}
}
let l_744 = l_711 * u32(4);
let l_745 = l_30 + l_744;
let l_746 = l_745 + u32(2);
let l_747 = l_746 < l_27;
if l_747 {
let l_748 = l_746 / u32(3);
let l_749 = l_748 * l_21;
let l_750 = l_26 + l_749;
let l_751 = l_746 % u32(3);
let l_752 = l_751 * u32(8);
let l_753 = l_750 + l_752;
let l_754 = u32(0) + l_710;
let l_755 = l_754 < u32(8);
if l_755 {
let l_756 = l_753 + l_754;
let l_757 = a_118[u32(2)];
let l_758 = a_709[u32(2)];
let l_759 = l_757 * l_758;
buffer_6_global[l_756] = l_759;
}
}
let l_760 = l_711 * u32(4);
let l_761 = l_30 + l_760;
let l_762 = l_761 + u32(3);
let l_763 = l_762 < l_27;
if l_763 {
let l_764 = l_762 / u32(3);
let l_765 = l_764 * l_21;
let l_766 = l_26 + l_765;
let l_767 = l_762 % u32(3);
let l_768 = l_767 * u32(8);
let l_769 = l_766 + l_768;
let l_770 = u32(0) + l_710;
let l_771 = l_770 < u32(8);
if l_771 {
let l_772 = l_769 + l_770;
let l_773 = a_118[u32(3)];
let l_774 = a_709[u32(3)];
let l_775 = l_773 * l_774;
buffer_6_global[l_772] = l_775;
}
}
}
