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
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 24>,
   dynamic_meta: array<u32>,
}

@group(0)
@binding(6)
var<storage, read> info: info_st;

var<workgroup> shared_memory_1: array<f32, 1024>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn gradients(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_14: array<f32, 8>;

var a_195: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_15: u32;
var l_mut_18: u32;
var l_mut_23: f32;
var l_mut_40: u32;
var l_mut_42: u32;
var l_mut_8: u32;
let l_0 = workgroup_id_no_axis >= info.scalars_u32[1];
if l_0 {
return;
}
let l_2 = workgroup_id_no_axis < info.scalars_u32[0];
if l_2 {
let l_3 = workgroup_id_no_axis * u32(8);
let l_4 = info.dynamic_meta[info.static_meta[u32(17)] + u32(1)];
let l_5 = info.dynamic_meta[info.static_meta[u32(16)] + u32(0)];
let l_6 = info.dynamic_meta[info.static_meta[u32(16)] + u32(1)];
let l_7 = info.dynamic_meta[info.static_meta[u32(17)] + u32(1)];
l_mut_8 = u32(1);
loop {
let l_9 = l_mut_8 < l_7;
let l_10 = !l_9;
if l_10 {
break;
}
l_mut_8 = l_mut_8 * u32(2);
}
let l_11 = local_idx % l_mut_8;
let l_12 = local_idx / l_mut_8;
let l_13 = u32(128) / l_mut_8;
a_14[u32(0)] = f32(0.0);
a_14[u32(1)] = f32(0.0);
a_14[u32(2)] = f32(0.0);
a_14[u32(3)] = f32(0.0);
a_14[u32(4)] = f32(0.0);
a_14[u32(5)] = f32(0.0);
a_14[u32(6)] = f32(0.0);
a_14[u32(7)] = f32(0.0);
l_mut_15 = u32(0);
loop {
let l_16 = l_mut_15 < l_6;
let l_17 = !l_16;
if l_17 {
break;
}
l_mut_18 = local_idx;
loop {
let l_19 = l_mut_18 < u32(1024);
let l_20 = !l_19;
if l_20 {
break;
}
let l_21 = l_mut_18 % u32(8);
let l_22 = l_mut_18 / u32(8);
l_mut_23 = f32(0.0);
let l_24 = l_3 + l_21;
let l_25 = l_24 < l_5;
if l_25 {
let l_26 = l_mut_15 + l_22;
let l_27 = l_26 < l_6;
if l_27 {
let l_28 = l_3 + l_21;
let l_29 = info.dynamic_meta[info.static_meta[u32(20)] + u32(0)];
let l_30 = l_28 * l_29;
let l_31 = l_mut_15 + l_22;
let l_32 = info.dynamic_meta[info.static_meta[u32(20)] + u32(1)];
let l_33 = l_31 * l_32;
let l_34 = l_30 + l_33;
let l_35 = buffer_0_global[l_34];
l_mut_23 = l_35;
}
}
let l_36 = l_21 * u32(128);
let l_37 = l_36 + l_22;
shared_memory_1[l_37] = l_mut_23;
l_mut_18 = l_mut_18 + u32(128);
}
workgroupBarrier();
let l_38 = l_11 < l_7;
if l_38 {
let l_39 = l_6 - l_mut_15;
l_mut_40 = l_39;
let l_41 = l_mut_40 > u32(128);
if l_41 {
l_mut_40 = u32(128);
}
l_mut_42 = l_12;
loop {
let l_43 = l_mut_42 < l_mut_40;
let l_44 = !l_43;
if l_44 {
break;
}
let l_45 = l_mut_15 + l_mut_42;
let l_46 = info.dynamic_meta[info.static_meta[u32(21)] + u32(0)];
let l_47 = l_45 * l_46;
let l_48 = info.dynamic_meta[info.static_meta[u32(21)] + u32(1)];
let l_49 = l_11 * l_48;
let l_50 = l_47 + l_49;
let l_51 = buffer_1_global[l_50];
let l_52 = u32(0) + l_mut_42;
let l_53 = shared_memory_1[l_52];
let l_54 = l_53 * l_51;
let l_55 = a_14[u32(0)];
let l_56 = l_55 + l_54;
a_14[u32(0)] = l_56;
let l_57 = u32(128) + l_mut_42;
let l_58 = shared_memory_1[l_57];
let l_59 = l_58 * l_51;
let l_60 = a_14[u32(1)];
let l_61 = l_60 + l_59;
a_14[u32(1)] = l_61;
let l_62 = u32(256) + l_mut_42;
let l_63 = shared_memory_1[l_62];
let l_64 = l_63 * l_51;
let l_65 = a_14[u32(2)];
let l_66 = l_65 + l_64;
a_14[u32(2)] = l_66;
let l_67 = u32(384) + l_mut_42;
let l_68 = shared_memory_1[l_67];
let l_69 = l_68 * l_51;
let l_70 = a_14[u32(3)];
let l_71 = l_70 + l_69;
a_14[u32(3)] = l_71;
let l_72 = u32(512) + l_mut_42;
let l_73 = shared_memory_1[l_72];
let l_74 = l_73 * l_51;
let l_75 = a_14[u32(4)];
let l_76 = l_75 + l_74;
a_14[u32(4)] = l_76;
let l_77 = u32(640) + l_mut_42;
let l_78 = shared_memory_1[l_77];
let l_79 = l_78 * l_51;
let l_80 = a_14[u32(5)];
let l_81 = l_80 + l_79;
a_14[u32(5)] = l_81;
let l_82 = u32(768) + l_mut_42;
let l_83 = shared_memory_1[l_82];
let l_84 = l_83 * l_51;
let l_85 = a_14[u32(6)];
let l_86 = l_85 + l_84;
a_14[u32(6)] = l_86;
let l_87 = u32(896) + l_mut_42;
let l_88 = shared_memory_1[l_87];
let l_89 = l_88 * l_51;
let l_90 = a_14[u32(7)];
let l_91 = l_90 + l_89;
a_14[u32(7)] = l_91;
l_mut_42 = l_mut_42 + l_13;
}
}
workgroupBarrier();
l_mut_15 = l_mut_15 + u32(128);
}
let l_92 = u32(0) + local_idx;
let l_93 = a_14[u32(0)];
shared_memory_1[l_92] = l_93;
let l_94 = u32(128) + local_idx;
let l_95 = a_14[u32(1)];
shared_memory_1[l_94] = l_95;
let l_96 = u32(256) + local_idx;
let l_97 = a_14[u32(2)];
shared_memory_1[l_96] = l_97;
let l_98 = u32(384) + local_idx;
let l_99 = a_14[u32(3)];
shared_memory_1[l_98] = l_99;
let l_100 = u32(512) + local_idx;
let l_101 = a_14[u32(4)];
shared_memory_1[l_100] = l_101;
let l_102 = u32(640) + local_idx;
let l_103 = a_14[u32(5)];
shared_memory_1[l_102] = l_103;
let l_104 = u32(768) + local_idx;
let l_105 = a_14[u32(6)];
shared_memory_1[l_104] = l_105;
let l_106 = u32(896) + local_idx;
let l_107 = a_14[u32(7)];
shared_memory_1[l_106] = l_107;
workgroupBarrier();
let l_108 = l_13 / u32(2);
l_mut_42 = l_108;
loop {
let l_109 = l_mut_42 > u32(0);
let l_110 = !l_109;
if l_110 {
break;
}
let l_111 = l_12 < l_mut_42;
if l_111 {
let l_112 = u32(0) + local_idx;
let l_113 = l_mut_42 * l_mut_8;
let l_114 = l_112 + l_113;
let l_115 = shared_memory_1[l_114];
let l_116 = u32(0) + local_idx;
let l_117 = shared_memory_1[l_116];
let l_118 = l_117 + l_115;
shared_memory_1[l_116] = l_118;
let l_119 = u32(128) + local_idx;
let l_120 = l_mut_42 * l_mut_8;
let l_121 = l_119 + l_120;
let l_122 = shared_memory_1[l_121];
let l_123 = u32(128) + local_idx;
let l_124 = shared_memory_1[l_123];
let l_125 = l_124 + l_122;
shared_memory_1[l_123] = l_125;
let l_126 = u32(256) + local_idx;
let l_127 = l_mut_42 * l_mut_8;
let l_128 = l_126 + l_127;
let l_129 = shared_memory_1[l_128];
let l_130 = u32(256) + local_idx;
let l_131 = shared_memory_1[l_130];
let l_132 = l_131 + l_129;
shared_memory_1[l_130] = l_132;
let l_133 = u32(384) + local_idx;
let l_134 = l_mut_42 * l_mut_8;
let l_135 = l_133 + l_134;
let l_136 = shared_memory_1[l_135];
let l_137 = u32(384) + local_idx;
let l_138 = shared_memory_1[l_137];
let l_139 = l_138 + l_136;
shared_memory_1[l_137] = l_139;
let l_140 = u32(512) + local_idx;
let l_141 = l_mut_42 * l_mut_8;
let l_142 = l_140 + l_141;
let l_143 = shared_memory_1[l_142];
let l_144 = u32(512) + local_idx;
let l_145 = shared_memory_1[l_144];
let l_146 = l_145 + l_143;
shared_memory_1[l_144] = l_146;
let l_147 = u32(640) + local_idx;
let l_148 = l_mut_42 * l_mut_8;
let l_149 = l_147 + l_148;
let l_150 = shared_memory_1[l_149];
let l_151 = u32(640) + local_idx;
let l_152 = shared_memory_1[l_151];
let l_153 = l_152 + l_150;
shared_memory_1[l_151] = l_153;
let l_154 = u32(768) + local_idx;
let l_155 = l_mut_42 * l_mut_8;
let l_156 = l_154 + l_155;
let l_157 = shared_memory_1[l_156];
let l_158 = u32(768) + local_idx;
let l_159 = shared_memory_1[l_158];
let l_160 = l_159 + l_157;
shared_memory_1[l_158] = l_160;
let l_161 = u32(896) + local_idx;
let l_162 = l_mut_42 * l_mut_8;
let l_163 = l_161 + l_162;
let l_164 = shared_memory_1[l_163];
let l_165 = u32(896) + local_idx;
let l_166 = shared_memory_1[l_165];
let l_167 = l_166 + l_164;
shared_memory_1[l_165] = l_167;
}
workgroupBarrier();
l_mut_42 = l_mut_42 / u32(2);
}
l_mut_40 = local_idx;
loop {
let l_168 = u32(8) * l_7;
let l_169 = l_mut_40 < l_168;
let l_170 = !l_169;
if l_170 {
break;
}
let l_171 = l_mut_40 / l_7;
let l_172 = l_mut_40 % l_7;
let l_173 = l_3 + l_171;
let l_174 = l_173 < l_5;
if l_174 {
let l_175 = l_3 + l_171;
let l_176 = l_175 * l_4;
let l_177 = u32(0) + l_176;
let l_178 = l_172 * u32(1);
let l_179 = l_177 + l_178;
let l_180 = l_171 * u32(128);
let l_181 = l_180 + l_172;
let l_182 = shared_memory_1[l_181];
let l_183 = f32(1.0) * l_182;
buffer_4_global[l_179] = l_183;
}
l_mut_40 = l_mut_40 + u32(128);
}
} else {
let l_184 = workgroup_id_no_axis - info.scalars_u32[0];
let l_185 = l_184 * u32(8);
let l_186 = info.dynamic_meta[info.static_meta[u32(18)] + u32(0)];
let l_187 = info.dynamic_meta[info.static_meta[u32(18)] + u32(0)];
let l_188 = info.dynamic_meta[info.static_meta[u32(18)] + u32(1)];
let l_189 = info.dynamic_meta[info.static_meta[u32(19)] + u32(1)];
l_mut_42 = u32(1);
loop {
let l_190 = l_mut_42 < l_189;
let l_191 = !l_190;
if l_191 {
break;
}
l_mut_42 = l_mut_42 * u32(2);
}
let l_192 = local_idx % l_mut_42;
let l_193 = local_idx / l_mut_42;
let l_194 = u32(128) / l_mut_42;
a_195[u32(0)] = f32(0.0);
a_195[u32(1)] = f32(0.0);
a_195[u32(2)] = f32(0.0);
a_195[u32(3)] = f32(0.0);
a_195[u32(4)] = f32(0.0);
a_195[u32(5)] = f32(0.0);
a_195[u32(6)] = f32(0.0);
a_195[u32(7)] = f32(0.0);
l_mut_40 = u32(0);
loop {
let l_196 = l_mut_40 < l_188;
let l_197 = !l_196;
if l_197 {
break;
}
l_mut_18 = local_idx;
loop {
let l_198 = l_mut_18 < u32(1024);
let l_199 = !l_198;
if l_199 {
break;
}
let l_200 = l_mut_18 % u32(8);
let l_201 = l_mut_18 / u32(8);
l_mut_23 = f32(0.0);
let l_202 = l_185 + l_200;
let l_203 = l_202 < l_187;
if l_203 {
let l_204 = l_mut_40 + l_201;
let l_205 = l_204 < l_188;
if l_205 {
let l_206 = l_185 + l_200;
let l_207 = info.dynamic_meta[info.static_meta[u32(22)] + u32(0)];
let l_208 = l_206 * l_207;
let l_209 = l_mut_40 + l_201;
let l_210 = info.dynamic_meta[info.static_meta[u32(22)] + u32(1)];
let l_211 = l_209 * l_210;
let l_212 = l_208 + l_211;
let l_213 = buffer_2_global[l_212];
l_mut_23 = l_213;
}
}
let l_214 = l_200 * u32(128);
let l_215 = l_214 + l_201;
shared_memory_1[l_215] = l_mut_23;
l_mut_18 = l_mut_18 + u32(128);
}
workgroupBarrier();
let l_216 = l_192 < l_189;
if l_216 {
let l_217 = l_188 - l_mut_40;
l_mut_15 = l_217;
let l_218 = l_mut_15 > u32(128);
if l_218 {
l_mut_15 = u32(128);
}
l_mut_8 = l_193;
loop {
let l_219 = l_mut_8 < l_mut_15;
let l_220 = !l_219;
if l_220 {
break;
}
let l_221 = l_mut_40 + l_mut_8;
let l_222 = info.dynamic_meta[info.static_meta[u32(23)] + u32(0)];
let l_223 = l_221 * l_222;
let l_224 = info.dynamic_meta[info.static_meta[u32(23)] + u32(1)];
let l_225 = l_192 * l_224;
let l_226 = l_223 + l_225;
let l_227 = buffer_3_global[l_226];
let l_228 = u32(0) + l_mut_8;
let l_229 = shared_memory_1[l_228];
let l_230 = l_229 * l_227;
let l_231 = a_195[u32(0)];
let l_232 = l_231 + l_230;
a_195[u32(0)] = l_232;
let l_233 = u32(128) + l_mut_8;
let l_234 = shared_memory_1[l_233];
let l_235 = l_234 * l_227;
let l_236 = a_195[u32(1)];
let l_237 = l_236 + l_235;
a_195[u32(1)] = l_237;
let l_238 = u32(256) + l_mut_8;
let l_239 = shared_memory_1[l_238];
let l_240 = l_239 * l_227;
let l_241 = a_195[u32(2)];
let l_242 = l_241 + l_240;
a_195[u32(2)] = l_242;
let l_243 = u32(384) + l_mut_8;
let l_244 = shared_memory_1[l_243];
let l_245 = l_244 * l_227;
let l_246 = a_195[u32(3)];
let l_247 = l_246 + l_245;
a_195[u32(3)] = l_247;
let l_248 = u32(512) + l_mut_8;
let l_249 = shared_memory_1[l_248];
let l_250 = l_249 * l_227;
let l_251 = a_195[u32(4)];
let l_252 = l_251 + l_250;
a_195[u32(4)] = l_252;
let l_253 = u32(640) + l_mut_8;
let l_254 = shared_memory_1[l_253];
let l_255 = l_254 * l_227;
let l_256 = a_195[u32(5)];
let l_257 = l_256 + l_255;
a_195[u32(5)] = l_257;
let l_258 = u32(768) + l_mut_8;
let l_259 = shared_memory_1[l_258];
let l_260 = l_259 * l_227;
let l_261 = a_195[u32(6)];
let l_262 = l_261 + l_260;
a_195[u32(6)] = l_262;
let l_263 = u32(896) + l_mut_8;
let l_264 = shared_memory_1[l_263];
let l_265 = l_264 * l_227;
let l_266 = a_195[u32(7)];
let l_267 = l_266 + l_265;
a_195[u32(7)] = l_267;
l_mut_8 = l_mut_8 + l_194;
}
}
workgroupBarrier();
l_mut_40 = l_mut_40 + u32(128);
}
let l_268 = u32(0) + local_idx;
let l_269 = a_195[u32(0)];
shared_memory_1[l_268] = l_269;
let l_270 = u32(128) + local_idx;
let l_271 = a_195[u32(1)];
shared_memory_1[l_270] = l_271;
let l_272 = u32(256) + local_idx;
let l_273 = a_195[u32(2)];
shared_memory_1[l_272] = l_273;
let l_274 = u32(384) + local_idx;
let l_275 = a_195[u32(3)];
shared_memory_1[l_274] = l_275;
let l_276 = u32(512) + local_idx;
let l_277 = a_195[u32(4)];
shared_memory_1[l_276] = l_277;
let l_278 = u32(640) + local_idx;
let l_279 = a_195[u32(5)];
shared_memory_1[l_278] = l_279;
let l_280 = u32(768) + local_idx;
let l_281 = a_195[u32(6)];
shared_memory_1[l_280] = l_281;
let l_282 = u32(896) + local_idx;
let l_283 = a_195[u32(7)];
shared_memory_1[l_282] = l_283;
workgroupBarrier();
let l_284 = l_194 / u32(2);
l_mut_18 = l_284;
loop {
let l_285 = l_mut_18 > u32(0);
let l_286 = !l_285;
if l_286 {
break;
}
let l_287 = l_193 < l_mut_18;
if l_287 {
let l_288 = u32(0) + local_idx;
let l_289 = l_mut_18 * l_mut_42;
let l_290 = l_288 + l_289;
let l_291 = shared_memory_1[l_290];
let l_292 = u32(0) + local_idx;
let l_293 = shared_memory_1[l_292];
let l_294 = l_293 + l_291;
shared_memory_1[l_292] = l_294;
let l_295 = u32(128) + local_idx;
let l_296 = l_mut_18 * l_mut_42;
let l_297 = l_295 + l_296;
let l_298 = shared_memory_1[l_297];
let l_299 = u32(128) + local_idx;
let l_300 = shared_memory_1[l_299];
let l_301 = l_300 + l_298;
shared_memory_1[l_299] = l_301;
let l_302 = u32(256) + local_idx;
let l_303 = l_mut_18 * l_mut_42;
let l_304 = l_302 + l_303;
let l_305 = shared_memory_1[l_304];
let l_306 = u32(256) + local_idx;
let l_307 = shared_memory_1[l_306];
let l_308 = l_307 + l_305;
shared_memory_1[l_306] = l_308;
let l_309 = u32(384) + local_idx;
let l_310 = l_mut_18 * l_mut_42;
let l_311 = l_309 + l_310;
let l_312 = shared_memory_1[l_311];
let l_313 = u32(384) + local_idx;
let l_314 = shared_memory_1[l_313];
let l_315 = l_314 + l_312;
shared_memory_1[l_313] = l_315;
let l_316 = u32(512) + local_idx;
let l_317 = l_mut_18 * l_mut_42;
let l_318 = l_316 + l_317;
let l_319 = shared_memory_1[l_318];
let l_320 = u32(512) + local_idx;
let l_321 = shared_memory_1[l_320];
let l_322 = l_321 + l_319;
shared_memory_1[l_320] = l_322;
let l_323 = u32(640) + local_idx;
let l_324 = l_mut_18 * l_mut_42;
let l_325 = l_323 + l_324;
let l_326 = shared_memory_1[l_325];
let l_327 = u32(640) + local_idx;
let l_328 = shared_memory_1[l_327];
let l_329 = l_328 + l_326;
shared_memory_1[l_327] = l_329;
let l_330 = u32(768) + local_idx;
let l_331 = l_mut_18 * l_mut_42;
let l_332 = l_330 + l_331;
let l_333 = shared_memory_1[l_332];
let l_334 = u32(768) + local_idx;
let l_335 = shared_memory_1[l_334];
let l_336 = l_335 + l_333;
shared_memory_1[l_334] = l_336;
let l_337 = u32(896) + local_idx;
let l_338 = l_mut_18 * l_mut_42;
let l_339 = l_337 + l_338;
let l_340 = shared_memory_1[l_339];
let l_341 = u32(896) + local_idx;
let l_342 = shared_memory_1[l_341];
let l_343 = l_342 + l_340;
shared_memory_1[l_341] = l_343;
}
workgroupBarrier();
l_mut_18 = l_mut_18 / u32(2);
}
l_mut_15 = local_idx;
loop {
let l_344 = u32(8) * l_189;
let l_345 = l_mut_15 < l_344;
let l_346 = !l_345;
if l_346 {
break;
}
let l_347 = l_mut_15 / l_189;
let l_348 = l_mut_15 % l_189;
let l_349 = l_185 + l_347;
let l_350 = l_349 < l_187;
if l_350 {
let l_351 = l_185 + l_347;
let l_352 = l_351 * u32(1);
let l_353 = u32(0) + l_352;
let l_354 = l_348 * l_186;
let l_355 = l_353 + l_354;
let l_356 = l_347 * u32(128);
let l_357 = l_356 + l_348;
let l_358 = shared_memory_1[l_357];
let l_359 = info.scalars_f32[0] * l_358;
buffer_5_global[l_355] = l_359;
}
l_mut_15 = l_mut_15 + u32(128);
}
}
}
