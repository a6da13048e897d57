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
   scalars_u32: array<u32, 6>,
   static_meta: array<u32, 32>,
   dynamic_meta: array<u32>,
}

@group(0)
@binding(7)
var<storage, read> info: info_st;

var<workgroup> shared_memory_5: array<f32, 1024>;

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
var a_17: array<f32, 8>;

var a_197: array<f32, 8>;

var a_371: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_11: u32;
var l_mut_18: u32;
var l_mut_21: u32;
var l_mut_26: f32;
var l_mut_43: u32;
var l_mut_45: u32;
let l_0 = info.scalars_u32[0] + workgroup_id_no_axis;
let l_1 = l_0 / info.scalars_u32[3];
let l_2 = l_1 >= info.scalars_u32[4];
if l_2 {
return;
}
let l_3 = l_0 % info.scalars_u32[3];
let l_4 = l_3 * u32(8);
let l_6 = l_1 == u32(0);
if l_6 {
let l_7 = info.dynamic_meta[info.static_meta[u32(21)] + u32(1)];
let l_8 = info.dynamic_meta[info.static_meta[u32(20)] + u32(0)];
let l_9 = info.dynamic_meta[info.static_meta[u32(20)] + u32(1)];
let l_10 = info.dynamic_meta[info.static_meta[u32(21)] + u32(1)];
l_mut_11 = u32(1);
loop {
let l_12 = l_mut_11 < l_10;
let l_13 = !l_12;
if l_13 {
break;
}
l_mut_11 = l_mut_11 * u32(2);
}
let l_14 = local_idx % l_mut_11;
let l_15 = local_idx / l_mut_11;
let l_16 = u32(128) / l_mut_11;
a_17[u32(0)] = f32(0.0);
a_17[u32(1)] = f32(0.0);
a_17[u32(2)] = f32(0.0);
a_17[u32(3)] = f32(0.0);
a_17[u32(4)] = f32(0.0);
a_17[u32(5)] = f32(0.0);
a_17[u32(6)] = f32(0.0);
a_17[u32(7)] = f32(0.0);
l_mut_18 = u32(0);
loop {
let l_19 = l_mut_18 < l_9;
let l_20 = !l_19;
if l_20 {
break;
}
l_mut_21 = local_idx;
loop {
let l_22 = l_mut_21 < u32(1024);
let l_23 = !l_22;
if l_23 {
break;
}
let l_24 = l_mut_21 / u32(128);
let l_25 = l_mut_21 % u32(128);
l_mut_26 = f32(0.0);
let l_27 = l_4 + l_24;
let l_28 = l_27 < l_8;
if l_28 {
let l_29 = l_mut_18 + l_25;
let l_30 = l_29 < l_9;
if l_30 {
let l_31 = l_4 + l_24;
let l_32 = info.dynamic_meta[info.static_meta[u32(26)] + u32(0)];
let l_33 = l_31 * l_32;
let l_34 = l_mut_18 + l_25;
let l_35 = info.dynamic_meta[info.static_meta[u32(26)] + u32(1)];
let l_36 = l_34 * l_35;
let l_37 = l_33 + l_36;
let l_38 = buffer_0_global[l_37];
l_mut_26 = l_38;
}
}
let l_39 = l_24 * u32(128);
let l_40 = l_39 + l_25;
shared_memory_5[l_40] = l_mut_26;
l_mut_21 = l_mut_21 + u32(128);
}
workgroupBarrier();
let l_41 = l_14 < l_10;
if l_41 {
let l_42 = l_9 - l_mut_18;
l_mut_43 = l_42;
let l_44 = l_mut_43 > u32(128);
if l_44 {
l_mut_43 = u32(128);
}
l_mut_45 = l_15;
loop {
let l_46 = l_mut_45 < l_mut_43;
let l_47 = !l_46;
if l_47 {
break;
}
let l_48 = l_mut_18 + l_mut_45;
let l_49 = info.dynamic_meta[info.static_meta[u32(27)] + u32(0)];
let l_50 = l_48 * l_49;
let l_51 = info.dynamic_meta[info.static_meta[u32(27)] + u32(1)];
let l_52 = l_14 * l_51;
let l_53 = l_50 + l_52;
let l_54 = buffer_1_global[l_53];
let l_55 = u32(0) + l_mut_45;
let l_56 = shared_memory_5[l_55];
let l_57 = l_56 * l_54;
let l_58 = a_17[u32(0)];
let l_59 = l_58 + l_57;
a_17[u32(0)] = l_59;
let l_60 = u32(128) + l_mut_45;
let l_61 = shared_memory_5[l_60];
let l_62 = l_61 * l_54;
let l_63 = a_17[u32(1)];
let l_64 = l_63 + l_62;
a_17[u32(1)] = l_64;
let l_65 = u32(256) + l_mut_45;
let l_66 = shared_memory_5[l_65];
let l_67 = l_66 * l_54;
let l_68 = a_17[u32(2)];
let l_69 = l_68 + l_67;
a_17[u32(2)] = l_69;
let l_70 = u32(384) + l_mut_45;
let l_71 = shared_memory_5[l_70];
let l_72 = l_71 * l_54;
let l_73 = a_17[u32(3)];
let l_74 = l_73 + l_72;
a_17[u32(3)] = l_74;
let l_75 = u32(512) + l_mut_45;
let l_76 = shared_memory_5[l_75];
let l_77 = l_76 * l_54;
let l_78 = a_17[u32(4)];
let l_79 = l_78 + l_77;
a_17[u32(4)] = l_79;
let l_80 = u32(640) + l_mut_45;
let l_81 = shared_memory_5[l_80];
let l_82 = l_81 * l_54;
let l_83 = a_17[u32(5)];
let l_84 = l_83 + l_82;
a_17[u32(5)] = l_84;
let l_85 = u32(768) + l_mut_45;
let l_86 = shared_memory_5[l_85];
let l_87 = l_86 * l_54;
let l_88 = a_17[u32(6)];
let l_89 = l_88 + l_87;
a_17[u32(6)] = l_89;
let l_90 = u32(896) + l_mut_45;
let l_91 = shared_memory_5[l_90];
let l_92 = l_91 * l_54;
let l_93 = a_17[u32(7)];
let l_94 = l_93 + l_92;
a_17[u32(7)] = l_94;
l_mut_45 = l_mut_45 + l_16;
}
}
workgroupBarrier();
l_mut_18 = l_mut_18 + u32(128);
}
let l_95 = u32(0) + local_idx;
let l_96 = a_17[u32(0)];
shared_memory_5[l_95] = l_96;
let l_97 = u32(128) + local_idx;
let l_98 = a_17[u32(1)];
shared_memory_5[l_97] = l_98;
let l_99 = u32(256) + local_idx;
let l_100 = a_17[u32(2)];
shared_memory_5[l_99] = l_100;
let l_101 = u32(384) + local_idx;
let l_102 = a_17[u32(3)];
shared_memory_5[l_101] = l_102;
let l_103 = u32(512) + local_idx;
let l_104 = a_17[u32(4)];
shared_memory_5[l_103] = l_104;
let l_105 = u32(640) + local_idx;
let l_106 = a_17[u32(5)];
shared_memory_5[l_105] = l_106;
let l_107 = u32(768) + local_idx;
let l_108 = a_17[u32(6)];
shared_memory_5[l_107] = l_108;
let l_109 = u32(896) + local_idx;
let l_110 = a_17[u32(7)];
shared_memory_5[l_109] = l_110;
workgroupBarrier();
let l_111 = l_16 / u32(2);
l_mut_45 = l_111;
loop {
let l_112 = l_mut_45 > u32(0);
let l_113 = !l_112;
if l_113 {
break;
}
let l_114 = l_15 < l_mut_45;
if l_114 {
let l_115 = u32(0) + local_idx;
let l_116 = l_mut_45 * l_mut_11;
let l_117 = l_115 + l_116;
let l_118 = shared_memory_5[l_117];
let l_119 = u32(0) + local_idx;
let l_120 = shared_memory_5[l_119];
let l_121 = l_120 + l_118;
shared_memory_5[l_119] = l_121;
let l_122 = u32(128) + local_idx;
let l_123 = l_mut_45 * l_mut_11;
let l_124 = l_122 + l_123;
let l_125 = shared_memory_5[l_124];
let l_126 = u32(128) + local_idx;
let l_127 = shared_memory_5[l_126];
let l_128 = l_127 + l_125;
shared_memory_5[l_126] = l_128;
let l_129 = u32(256) + local_idx;
let l_130 = l_mut_45 * l_mut_11;
let l_131 = l_129 + l_130;
let l_132 = shared_memory_5[l_131];
let l_133 = u32(256) + local_idx;
let l_134 = shared_memory_5[l_133];
let l_135 = l_134 + l_132;
shared_memory_5[l_133] = l_135;
let l_136 = u32(384) + local_idx;
let l_137 = l_mut_45 * l_mut_11;
let l_138 = l_136 + l_137;
let l_139 = shared_memory_5[l_138];
let l_140 = u32(384) + local_idx;
let l_141 = shared_memory_5[l_140];
let l_142 = l_141 + l_139;
shared_memory_5[l_140] = l_142;
let l_143 = u32(512) + local_idx;
let l_144 = l_mut_45 * l_mut_11;
let l_145 = l_143 + l_144;
let l_146 = shared_memory_5[l_145];
let l_147 = u32(512) + local_idx;
let l_148 = shared_memory_5[l_147];
let l_149 = l_148 + l_146;
shared_memory_5[l_147] = l_149;
let l_150 = u32(640) + local_idx;
let l_151 = l_mut_45 * l_mut_11;
let l_152 = l_150 + l_151;
let l_153 = shared_memory_5[l_152];
let l_154 = u32(640) + local_idx;
let l_155 = shared_memory_5[l_154];
let l_156 = l_155 + l_153;
shared_memory_5[l_154] = l_156;
let l_157 = u32(768) + local_idx;
let l_158 = l_mut_45 * l_mut_11;
let l_159 = l_157 + l_158;
let l_160 = shared_memory_5[l_159];
let l_161 = u32(768) + local_idx;
let l_162 = shared_memory_5[l_161];
let l_163 = l_162 + l_160;
shared_memory_5[l_161] = l_163;
let l_164 = u32(896) + local_idx;
let l_165 = l_mut_45 * l_mut_11;
let l_166 = l_164 + l_165;
let l_167 = shared_memory_5[l_166];
let l_168 = u32(896) + local_idx;
let l_169 = shared_memory_5[l_168];
let l_170 = l_169 + l_167;
shared_memory_5[l_168] = l_170;
}
workgroupBarrier();
l_mut_45 = l_mut_45 / u32(2);
}
l_mut_43 = local_idx;
loop {
let l_171 = u32(8) * l_10;
let l_172 = l_mut_43 < l_171;
let l_173 = !l_172;
if l_173 {
break;
}
let l_174 = l_mut_43 / l_10;
let l_175 = l_mut_43 % l_10;
let l_176 = l_4 + l_174;
let l_177 = l_176 < l_8;
if l_177 {
let l_178 = l_4 + l_174;
let l_179 = l_178 * l_7;
let l_180 = u32(0) + l_179;
let l_181 = l_175 * u32(1);
let l_182 = l_180 + l_181;
let l_183 = l_174 * u32(128);
let l_184 = l_183 + l_175;
let l_185 = shared_memory_5[l_184];
let l_186 = info.scalars_f32[0] * l_185;
buffer_6_global[l_182] = l_186;
}
l_mut_43 = l_mut_43 + u32(128);
}
} else {
let l_187 = l_1 == u32(1);
if l_187 {
let l_188 = info.dynamic_meta[info.static_meta[u32(23)] + u32(1)];
let l_189 = info.dynamic_meta[info.static_meta[u32(22)] + u32(0)];
let l_190 = info.dynamic_meta[info.static_meta[u32(22)] + u32(1)];
let l_191 = info.dynamic_meta[info.static_meta[u32(23)] + u32(1)];
l_mut_45 = u32(1);
loop {
let l_192 = l_mut_45 < l_191;
let l_193 = !l_192;
if l_193 {
break;
}
l_mut_45 = l_mut_45 * u32(2);
}
let l_194 = local_idx % l_mut_45;
let l_195 = local_idx / l_mut_45;
let l_196 = u32(128) / l_mut_45;
a_197[u32(0)] = f32(0.0);
a_197[u32(1)] = f32(0.0);
a_197[u32(2)] = f32(0.0);
a_197[u32(3)] = f32(0.0);
a_197[u32(4)] = f32(0.0);
a_197[u32(5)] = f32(0.0);
a_197[u32(6)] = f32(0.0);
a_197[u32(7)] = f32(0.0);
l_mut_43 = u32(0);
loop {
let l_198 = l_mut_43 < l_190;
let l_199 = !l_198;
if l_199 {
break;
}
l_mut_21 = local_idx;
loop {
let l_200 = l_mut_21 < u32(1024);
let l_201 = !l_200;
if l_201 {
break;
}
let l_202 = l_mut_21 / u32(128);
let l_203 = l_mut_21 % u32(128);
l_mut_26 = f32(0.0);
let l_204 = l_4 + l_202;
let l_205 = l_204 < l_189;
if l_205 {
let l_206 = l_mut_43 + l_203;
let l_207 = l_206 < l_190;
if l_207 {
let l_208 = l_4 + l_202;
let l_209 = info.dynamic_meta[info.static_meta[u32(28)] + u32(0)];
let l_210 = l_208 * l_209;
let l_211 = l_mut_43 + l_203;
let l_212 = info.dynamic_meta[info.static_meta[u32(28)] + u32(1)];
let l_213 = l_211 * l_212;
let l_214 = l_210 + l_213;
let l_215 = buffer_2_global[l_214];
l_mut_26 = l_215;
}
}
let l_216 = l_202 * u32(128);
let l_217 = l_216 + l_203;
shared_memory_5[l_217] = l_mut_26;
l_mut_21 = l_mut_21 + u32(128);
}
workgroupBarrier();
let l_218 = l_194 < l_191;
if l_218 {
let l_219 = l_190 - l_mut_43;
l_mut_18 = l_219;
let l_220 = l_mut_18 > u32(128);
if l_220 {
l_mut_18 = u32(128);
}
l_mut_11 = l_195;
loop {
let l_221 = l_mut_11 < l_mut_18;
let l_222 = !l_221;
if l_222 {
break;
}
let l_223 = l_mut_43 + l_mut_11;
let l_224 = info.dynamic_meta[info.static_meta[u32(29)] + u32(0)];
let l_225 = l_223 * l_224;
let l_226 = info.dynamic_meta[info.static_meta[u32(29)] + u32(1)];
let l_227 = l_194 * l_226;
let l_228 = l_225 + l_227;
let l_229 = buffer_3_global[l_228];
let l_230 = u32(0) + l_mut_11;
let l_231 = shared_memory_5[l_230];
let l_232 = l_231 * l_229;
let l_233 = a_197[u32(0)];
let l_234 = l_233 + l_232;
a_197[u32(0)] = l_234;
let l_235 = u32(128) + l_mut_11;
let l_236 = shared_memory_5[l_235];
let l_237 = l_236 * l_229;
let l_238 = a_197[u32(1)];
let l_239 = l_238 + l_237;
a_197[u32(1)] = l_239;
let l_240 = u32(256) + l_mut_11;
let l_241 = shared_memory_5[l_240];
let l_242 = l_241 * l_229;
let l_243 = a_197[u32(2)];
let l_244 = l_243 + l_242;
a_197[u32(2)] = l_244;
let l_245 = u32(384) + l_mut_11;
let l_246 = shared_memory_5[l_245];
let l_247 = l_246 * l_229;
let l_248 = a_197[u32(3)];
let l_249 = l_248 + l_247;
a_197[u32(3)] = l_249;
let l_250 = u32(512) + l_mut_11;
let l_251 = shared_memory_5[l_250];
let l_252 = l_251 * l_229;
let l_253 = a_197[u32(4)];
let l_254 = l_253 + l_252;
a_197[u32(4)] = l_254;
let l_255 = u32(640) + l_mut_11;
let l_256 = shared_memory_5[l_255];
let l_257 = l_256 * l_229;
let l_258 = a_197[u32(5)];
let l_259 = l_258 + l_257;
a_197[u32(5)] = l_259;
let l_260 = u32(768) + l_mut_11;
let l_261 = shared_memory_5[l_260];
let l_262 = l_261 * l_229;
let l_263 = a_197[u32(6)];
let l_264 = l_263 + l_262;
a_197[u32(6)] = l_264;
let l_265 = u32(896) + l_mut_11;
let l_266 = shared_memory_5[l_265];
let l_267 = l_266 * l_229;
let l_268 = a_197[u32(7)];
let l_269 = l_268 + l_267;
a_197[u32(7)] = l_269;
l_mut_11 = l_mut_11 + l_196;
}
}
workgroupBarrier();
l_mut_43 = l_mut_43 + u32(128);
}
let l_270 = u32(0) + local_idx;
let l_271 = a_197[u32(0)];
shared_memory_5[l_270] = l_271;
let l_272 = u32(128) + local_idx;
let l_273 = a_197[u32(1)];
shared_memory_5[l_272] = l_273;
let l_274 = u32(256) + local_idx;
let l_275 = a_197[u32(2)];
shared_memory_5[l_274] = l_275;
let l_276 = u32(384) + local_idx;
let l_277 = a_197[u32(3)];
shared_memory_5[l_276] = l_277;
let l_278 = u32(512) + local_idx;
let l_279 = a_197[u32(4)];
shared_memory_5[l_278] = l_279;
let l_280 = u32(640) + local_idx;
let l_281 = a_197[u32(5)];
shared_memory_5[l_280] = l_281;
let l_282 = u32(768) + local_idx;
let l_283 = a_197[u32(6)];
shared_memory_5[l_282] = l_283;
let l_284 = u32(896) + local_idx;
let l_285 = a_197[u32(7)];
shared_memory_5[l_284] = l_285;
workgroupBarrier();
let l_286 = l_196 / u32(2);
l_mut_21 = l_286;
loop {
let l_287 = l_mut_21 > u32(0);
let l_288 = !l_287;
if l_288 {
break;
}
let l_289 = l_195 < l_mut_21;
if l_289 {
let l_290 = u32(0) + local_idx;
let l_291 = l_mut_21 * l_mut_45;
let l_292 = l_290 + l_291;
let l_293 = shared_memory_5[l_292];
let l_294 = u32(0) + local_idx;
let l_295 = shared_memory_5[l_294];
let l_296 = l_295 + l_293;
shared_memory_5[l_294] = l_296;
let l_297 = u32(128) + local_idx;
let l_298 = l_mut_21 * l_mut_45;
let l_299 = l_297 + l_298;
let l_300 = shared_memory_5[l_299];
let l_301 = u32(128) + local_idx;
let l_302 = shared_memory_5[l_301];
let l_303 = l_302 + l_300;
shared_memory_5[l_301] = l_303;
let l_304 = u32(256) + local_idx;
let l_305 = l_mut_21 * l_mut_45;
let l_306 = l_304 + l_305;
let l_307 = shared_memory_5[l_306];
let l_308 = u32(256) + local_idx;
let l_309 = shared_memory_5[l_308];
let l_310 = l_309 + l_307;
shared_memory_5[l_308] = l_310;
let l_311 = u32(384) + local_idx;
let l_312 = l_mut_21 * l_mut_45;
let l_313 = l_311 + l_312;
let l_314 = shared_memory_5[l_313];
let l_315 = u32(384) + local_idx;
let l_316 = shared_memory_5[l_315];
let l_317 = l_316 + l_314;
shared_memory_5[l_315] = l_317;
let l_318 = u32(512) + local_idx;
let l_319 = l_mut_21 * l_mut_45;
let l_320 = l_318 + l_319;
let l_321 = shared_memory_5[l_320];
let l_322 = u32(512) + local_idx;
let l_323 = shared_memory_5[l_322];
let l_324 = l_323 + l_321;
shared_memory_5[l_322] = l_324;
let l_325 = u32(640) + local_idx;
let l_326 = l_mut_21 * l_mut_45;
let l_327 = l_325 + l_326;
let l_328 = shared_memory_5[l_327];
let l_329 = u32(640) + local_idx;
let l_330 = shared_memory_5[l_329];
let l_331 = l_330 + l_328;
shared_memory_5[l_329] = l_331;
let l_332 = u32(768) + local_idx;
let l_333 = l_mut_21 * l_mut_45;
let l_334 = l_332 + l_333;
let l_335 = shared_memory_5[l_334];
let l_336 = u32(768) + local_idx;
let l_337 = shared_memory_5[l_336];
let l_338 = l_337 + l_335;
shared_memory_5[l_336] = l_338;
let l_339 = u32(896) + local_idx;
let l_340 = l_mut_21 * l_mut_45;
let l_341 = l_339 + l_340;
let l_342 = shared_memory_5[l_341];
let l_343 = u32(896) + local_idx;
let l_344 = shared_memory_5[l_343];
let l_345 = l_344 + l_342;
shared_memory_5[l_343] = l_345;
}
workgroupBarrier();
l_mut_21 = l_mut_21 / u32(2);
}
l_mut_18 = local_idx;
loop {
let l_346 = u32(8) * l_191;
let l_347 = l_mut_18 < l_346;
let l_348 = !l_347;
if l_348 {
break;
}
let l_349 = l_mut_18 / l_191;
let l_350 = l_mut_18 % l_191;
let l_351 = l_4 + l_349;
let l_352 = l_351 < l_189;
if l_352 {
let l_353 = l_4 + l_349;
let l_354 = l_353 * l_188;
let l_355 = info.scalars_u32[1] + l_354;
let l_356 = l_350 * u32(1);
let l_357 = l_355 + l_356;
let l_358 = l_349 * u32(128);
let l_359 = l_358 + l_350;
let l_360 = shared_memory_5[l_359];
let l_361 = info.scalars_f32[1] * l_360;
buffer_6_global[l_357] = l_361;
}
l_mut_18 = l_mut_18 + u32(128);
}
} else {
let l_362 = info.dynamic_meta[info.static_meta[u32(25)] + u32(1)];
let l_363 = info.dynamic_meta[info.static_meta[u32(24)] + u32(0)];
let l_364 = info.dynamic_meta[info.static_meta[u32(24)] + u32(1)];
let l_365 = info.dynamic_meta[info.static_meta[u32(25)] + u32(1)];
l_mut_45 = u32(1);
loop {
let l_366 = l_mut_45 < l_365;
let l_367 = !l_366;
if l_367 {
break;
}
l_mut_45 = l_mut_45 * u32(2);
}
let l_368 = local_idx % l_mut_45;
let l_369 = local_idx / l_mut_45;
let l_370 = u32(128) / l_mut_45;
a_371[u32(0)] = f32(0.0);
a_371[u32(1)] = f32(0.0);
a_371[u32(2)] = f32(0.0);
a_371[u32(3)] = f32(0.0);
a_371[u32(4)] = f32(0.0);
a_371[u32(5)] = f32(0.0);
a_371[u32(6)] = f32(0.0);
a_371[u32(7)] = f32(0.0);
l_mut_43 = u32(0);
loop {
let l_372 = l_mut_43 < l_364;
let l_373 = !l_372;
if l_373 {
break;
}
l_mut_21 = local_idx;
loop {
let l_374 = l_mut_21 < u32(1024);
let l_375 = !l_374;
if l_375 {
break;
}
let l_376 = l_mut_21 / u32(128);
let l_377 = l_mut_21 % u32(128);
l_mut_26 = f32(0.0);
let l_378 = l_4 + l_376;
let l_379 = l_378 < l_363;
if l_379 {
let l_380 = l_mut_43 + l_377;
let l_381 = l_380 < l_364;
if l_381 {
let l_382 = l_4 + l_376;
let l_383 = info.dynamic_meta[info.static_meta[u32(30)] + u32(0)];
let l_384 = l_382 * l_383;
let l_385 = l_mut_43 + l_377;
let l_386 = info.dynamic_meta[info.static_meta[u32(30)] + u32(1)];
let l_387 = l_385 * l_386;
let l_388 = l_384 + l_387;
let l_389 = buffer_4_global[l_388];
l_mut_26 = l_389;
}
}
let l_390 = l_376 * u32(128);
let l_391 = l_390 + l_377;
shared_memory_5[l_391] = l_mut_26;
l_mut_21 = l_mut_21 + u32(128);
}
workgroupBarrier();
let l_392 = l_368 < l_365;
if l_392 {
let l_393 = l_364 - l_mut_43;
l_mut_18 = l_393;
let l_394 = l_mut_18 > u32(128);
if l_394 {
l_mut_18 = u32(128);
}
l_mut_11 = l_369;
loop {
let l_395 = l_mut_11 < l_mut_18;
let l_396 = !l_395;
if l_396 {
break;
}
let l_397 = l_mut_43 + l_mut_11;
let l_398 = info.dynamic_meta[info.static_meta[u32(31)] + u32(0)];
let l_399 = l_397 * l_398;
let l_400 = info.dynamic_meta[info.static_meta[u32(31)] + u32(1)];
let l_401 = l_368 * l_400;
let l_402 = l_399 + l_401;
let l_403 = buffer_5_global[l_402];
let l_404 = u32(0) + l_mut_11;
let l_405 = shared_memory_5[l_404];
let l_406 = l_405 * l_403;
let l_407 = a_371[u32(0)];
let l_408 = l_407 + l_406;
a_371[u32(0)] = l_408;
let l_409 = u32(128) + l_mut_11;
let l_410 = shared_memory_5[l_409];
let l_411 = l_410 * l_403;
let l_412 = a_371[u32(1)];
let l_413 = l_412 + l_411;
a_371[u32(1)] = l_413;
let l_414 = u32(256) + l_mut_11;
let l_415 = shared_memory_5[l_414];
let l_416 = l_415 * l_403;
let l_417 = a_371[u32(2)];
let l_418 = l_417 + l_416;
a_371[u32(2)] = l_418;
let l_419 = u32(384) + l_mut_11;
let l_420 = shared_memory_5[l_419];
let l_421 = l_420 * l_403;
let l_422 = a_371[u32(3)];
let l_423 = l_422 + l_421;
a_371[u32(3)] = l_423;
let l_424 = u32(512) + l_mut_11;
let l_425 = shared_memory_5[l_424];
let l_426 = l_425 * l_403;
let l_427 = a_371[u32(4)];
let l_428 = l_427 + l_426;
a_371[u32(4)] = l_428;
let l_429 = u32(640) + l_mut_11;
let l_430 = shared_memory_5[l_429];
let l_431 = l_430 * l_403;
let l_432 = a_371[u32(5)];
let l_433 = l_432 + l_431;
a_371[u32(5)] = l_433;
let l_434 = u32(768) + l_mut_11;
let l_435 = shared_memory_5[l_434];
let l_436 = l_435 * l_403;
let l_437 = a_371[u32(6)];
let l_438 = l_437 + l_436;
a_371[u32(6)] = l_438;
let l_439 = u32(896) + l_mut_11;
let l_440 = shared_memory_5[l_439];
let l_441 = l_440 * l_403;
let l_442 = a_371[u32(7)];
let l_443 = l_442 + l_441;
a_371[u32(7)] = l_443;
l_mut_11 = l_mut_11 + l_370;
}
}
workgroupBarrier();
l_mut_43 = l_mut_43 + u32(128);
}
let l_444 = u32(0) + local_idx;
let l_445 = a_371[u32(0)];
shared_memory_5[l_444] = l_445;
let l_446 = u32(128) + local_idx;
let l_447 = a_371[u32(1)];
shared_memory_5[l_446] = l_447;
let l_448 = u32(256) + local_idx;
let l_449 = a_371[u32(2)];
shared_memory_5[l_448] = l_449;
let l_450 = u32(384) + local_idx;
let l_451 = a_371[u32(3)];
shared_memory_5[l_450] = l_451;
let l_452 = u32(512) + local_idx;
let l_453 = a_371[u32(4)];
shared_memory_5[l_452] = l_453;
let l_454 = u32(640) + local_idx;
let l_455 = a_371[u32(5)];
shared_memory_5[l_454] = l_455;
let l_456 = u32(768) + local_idx;
let l_457 = a_371[u32(6)];
shared_memory_5[l_456] = l_457;
let l_458 = u32(896) + local_idx;
let l_459 = a_371[u32(7)];
shared_memory_5[l_458] = l_459;
workgroupBarrier();
let l_460 = l_370 / u32(2);
l_mut_21 = l_460;
loop {
let l_461 = l_mut_21 > u32(0);
let l_462 = !l_461;
if l_462 {
break;
}
let l_463 = l_369 < l_mut_21;
if l_463 {
let l_464 = u32(0) + local_idx;
let l_465 = l_mut_21 * l_mut_45;
let l_466 = l_464 + l_465;
let l_467 = shared_memory_5[l_466];
let l_468 = u32(0) + local_idx;
let l_469 = shared_memory_5[l_468];
let l_470 = l_469 + l_467;
shared_memory_5[l_468] = l_470;
let l_471 = u32(128) + local_idx;
let l_472 = l_mut_21 * l_mut_45;
let l_473 = l_471 + l_472;
let l_474 = shared_memory_5[l_473];
let l_475 = u32(128) + local_idx;
let l_476 = shared_memory_5[l_475];
let l_477 = l_476 + l_474;
shared_memory_5[l_475] = l_477;
let l_478 = u32(256) + local_idx;
let l_479 = l_mut_21 * l_mut_45;
let l_480 = l_478 + l_479;
let l_481 = shared_memory_5[l_480];
let l_482 = u32(256) + local_idx;
let l_483 = shared_memory_5[l_482];
let l_484 = l_483 + l_481;
shared_memory_5[l_482] = l_484;
let l_485 = u32(384) + local_idx;
let l_486 = l_mut_21 * l_mut_45;
let l_487 = l_485 + l_486;
let l_488 = shared_memory_5[l_487];
let l_489 = u32(384) + local_idx;
let l_490 = shared_memory_5[l_489];
let l_491 = l_490 + l_488;
shared_memory_5[l_489] = l_491;
let l_492 = u32(512) + local_idx;
let l_493 = l_mut_21 * l_mut_45;
let l_494 = l_492 + l_493;
let l_495 = shared_memory_5[l_494];
let l_496 = u32(512) + local_idx;
let l_497 = shared_memory_5[l_496];
let l_498 = l_497 + l_495;
shared_memory_5[l_496] = l_498;
let l_499 = u32(640) + local_idx;
let l_500 = l_mut_21 * l_mut_45;
let l_501 = l_499 + l_500;
let l_502 = shared_memory_5[l_501];
let l_503 = u32(640) + local_idx;
let l_504 = shared_memory_5[l_503];
let l_505 = l_504 + l_502;
shared_memory_5[l_503] = l_505;
let l_506 = u32(768) + local_idx;
let l_507 = l_mut_21 * l_mut_45;
let l_508 = l_506 + l_507;
let l_509 = shared_memory_5[l_508];
let l_510 = u32(768) + local_idx;
let l_511 = shared_memory_5[l_510];
let l_512 = l_511 + l_509;
shared_memory_5[l_510] = l_512;
let l_513 = u32(896) + local_idx;
let l_514 = l_mut_21 * l_mut_45;
let l_515 = l_513 + l_514;
let l_516 = shared_memory_5[l_515];
let l_517 = u32(896) + local_idx;
let l_518 = shared_memory_5[l_517];
let l_519 = l_518 + l_516;
shared_memory_5[l_517] = l_519;
}
workgroupBarrier();
l_mut_21 = l_mut_21 / u32(2);
}
l_mut_18 = local_idx;
loop {
let l_520 = u32(8) * l_365;
let l_521 = l_mut_18 < l_520;
let l_522 = !l_521;
if l_522 {
break;
}
let l_523 = l_mut_18 / l_365;
let l_524 = l_mut_18 % l_365;
let l_525 = l_4 + l_523;
let l_526 = l_525 < l_363;
if l_526 {
let l_527 = l_4 + l_523;
let l_528 = l_527 * l_362;
let l_529 = info.scalars_u32[2] + l_528;
let l_530 = l_524 * u32(1);
let l_531 = l_529 + l_530;
let l_532 = l_523 * u32(128);
let l_533 = l_532 + l_524;
let l_534 = shared_memory_5[l_533];
let l_535 = info.scalars_f32[2] * l_534;
buffer_6_global[l_531] = l_535;
}
l_mut_18 = l_mut_18 + u32(128);
}
}
}
}
