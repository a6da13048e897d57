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
   static_meta: array<u32, 24>,
   dynamic_meta: array<u32>,
}

@group(0)
@binding(6)
var<storage, read> info: info_st;

var<workgroup> shared_memory_2: array<f32, 1024>;

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
var a_15: array<f32, 8>;

var a_196: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_16: u32;
var l_mut_19: u32;
var l_mut_24: f32;
var l_mut_41: u32;
var l_mut_43: u32;
var l_mut_9: u32;
let l_0 = info.scalars_u32[0] + workgroup_id_no_axis;
let l_1 = l_0 >= info.scalars_u32[2];
if l_1 {
return;
}
let l_3 = l_0 < info.scalars_u32[1];
if l_3 {
let l_4 = l_0 * u32(8);
let l_5 = info.dynamic_meta[info.static_meta[u32(17)] + u32(1)];
let l_6 = info.dynamic_meta[info.static_meta[u32(16)] + u32(0)];
let l_7 = info.dynamic_meta[info.static_meta[u32(16)] + u32(1)];
let l_8 = info.dynamic_meta[info.static_meta[u32(17)] + u32(1)];
l_mut_9 = u32(1);
loop {
let l_10 = l_mut_9 < l_8;
let l_11 = !l_10;
if l_11 {
break;
}
l_mut_9 = l_mut_9 * u32(2);
}
let l_12 = local_idx % l_mut_9;
let l_13 = local_idx / l_mut_9;
let l_14 = u32(128) / l_mut_9;
a_15[u32(0)] = f32(0.0);
a_15[u32(1)] = f32(0.0);
a_15[u32(2)] = f32(0.0);
a_15[u32(3)] = f32(0.0);
a_15[u32(4)] = f32(0.0);
a_15[u32(5)] = f32(0.0);
a_15[u32(6)] = f32(0.0);
a_15[u32(7)] = f32(0.0);
l_mut_16 = u32(0);
loop {
let l_17 = l_mut_16 < l_7;
let l_18 = !l_17;
if l_18 {
break;
}
l_mut_19 = local_idx;
loop {
let l_20 = l_mut_19 < u32(1024);
let l_21 = !l_20;
if l_21 {
break;
}
let l_22 = l_mut_19 % u32(8);
let l_23 = l_mut_19 / u32(8);
l_mut_24 = f32(0.0);
let l_25 = l_4 + l_22;
let l_26 = l_25 < l_6;
if l_26 {
let l_27 = l_mut_16 + l_23;
let l_28 = l_27 < l_7;
if l_28 {
let l_29 = l_4 + l_22;
let l_30 = info.dynamic_meta[info.static_meta[u32(20)] + u32(0)];
let l_31 = l_29 * l_30;
let l_32 = l_mut_16 + l_23;
let l_33 = info.dynamic_meta[info.static_meta[u32(20)] + u32(1)];
let l_34 = l_32 * l_33;
let l_35 = l_31 + l_34;
let l_36 = buffer_0_global[l_35];
l_mut_24 = l_36;
}
}
let l_37 = l_22 * u32(128);
let l_38 = l_37 + l_23;
shared_memory_2[l_38] = l_mut_24;
l_mut_19 = l_mut_19 + u32(128);
}
workgroupBarrier();
let l_39 = l_12 < l_8;
if l_39 {
let l_40 = l_7 - l_mut_16;
l_mut_41 = l_40;
let l_42 = l_mut_41 > u32(128);
if l_42 {
l_mut_41 = u32(128);
}
l_mut_43 = l_13;
loop {
let l_44 = l_mut_43 < l_mut_41;
let l_45 = !l_44;
if l_45 {
break;
}
let l_46 = l_mut_16 + l_mut_43;
let l_47 = info.dynamic_meta[info.static_meta[u32(21)] + u32(0)];
let l_48 = l_46 * l_47;
let l_49 = info.dynamic_meta[info.static_meta[u32(21)] + u32(1)];
let l_50 = l_12 * l_49;
let l_51 = l_48 + l_50;
let l_52 = buffer_1_global[l_51];
let l_53 = u32(0) + l_mut_43;
let l_54 = shared_memory_2[l_53];
let l_55 = l_54 * l_52;
let l_56 = a_15[u32(0)];
let l_57 = l_56 + l_55;
a_15[u32(0)] = l_57;
let l_58 = u32(128) + l_mut_43;
let l_59 = shared_memory_2[l_58];
let l_60 = l_59 * l_52;
let l_61 = a_15[u32(1)];
let l_62 = l_61 + l_60;
a_15[u32(1)] = l_62;
let l_63 = u32(256) + l_mut_43;
let l_64 = shared_memory_2[l_63];
let l_65 = l_64 * l_52;
let l_66 = a_15[u32(2)];
let l_67 = l_66 + l_65;
a_15[u32(2)] = l_67;
let l_68 = u32(384) + l_mut_43;
let l_69 = shared_memory_2[l_68];
let l_70 = l_69 * l_52;
let l_71 = a_15[u32(3)];
let l_72 = l_71 + l_70;
a_15[u32(3)] = l_72;
let l_73 = u32(512) + l_mut_43;
let l_74 = shared_memory_2[l_73];
let l_75 = l_74 * l_52;
let l_76 = a_15[u32(4)];
let l_77 = l_76 + l_75;
a_15[u32(4)] = l_77;
let l_78 = u32(640) + l_mut_43;
let l_79 = shared_memory_2[l_78];
let l_80 = l_79 * l_52;
let l_81 = a_15[u32(5)];
let l_82 = l_81 + l_80;
a_15[u32(5)] = l_82;
let l_83 = u32(768) + l_mut_43;
let l_84 = shared_memory_2[l_83];
let l_85 = l_84 * l_52;
let l_86 = a_15[u32(6)];
let l_87 = l_86 + l_85;
a_15[u32(6)] = l_87;
let l_88 = u32(896) + l_mut_43;
let l_89 = shared_memory_2[l_88];
let l_90 = l_89 * l_52;
let l_91 = a_15[u32(7)];
let l_92 = l_91 + l_90;
a_15[u32(7)] = l_92;
l_mut_43 = l_mut_43 + l_14;
}
}
workgroupBarrier();
l_mut_16 = l_mut_16 + u32(128);
}
let l_93 = u32(0) + local_idx;
let l_94 = a_15[u32(0)];
shared_memory_2[l_93] = l_94;
let l_95 = u32(128) + local_idx;
let l_96 = a_15[u32(1)];
shared_memory_2[l_95] = l_96;
let l_97 = u32(256) + local_idx;
let l_98 = a_15[u32(2)];
shared_memory_2[l_97] = l_98;
let l_99 = u32(384) + local_idx;
let l_100 = a_15[u32(3)];
shared_memory_2[l_99] = l_100;
let l_101 = u32(512) + local_idx;
let l_102 = a_15[u32(4)];
shared_memory_2[l_101] = l_102;
let l_103 = u32(640) + local_idx;
let l_104 = a_15[u32(5)];
shared_memory_2[l_103] = l_104;
let l_105 = u32(768) + local_idx;
let l_106 = a_15[u32(6)];
shared_memory_2[l_105] = l_106;
let l_107 = u32(896) + local_idx;
let l_108 = a_15[u32(7)];
shared_memory_2[l_107] = l_108;
workgroupBarrier();
let l_109 = l_14 / u32(2);
l_mut_43 = l_109;
loop {
let l_110 = l_mut_43 > u32(0);
let l_111 = !l_110;
if l_111 {
break;
}
let l_112 = l_13 < l_mut_43;
if l_112 {
let l_113 = u32(0) + local_idx;
let l_114 = l_mut_43 * l_mut_9;
let l_115 = l_113 + l_114;
let l_116 = shared_memory_2[l_115];
let l_117 = u32(0) + local_idx;
let l_118 = shared_memory_2[l_117];
let l_119 = l_118 + l_116;
shared_memory_2[l_117] = l_119;
let l_120 = u32(128) + local_idx;
let l_121 = l_mut_43 * l_mut_9;
let l_122 = l_120 + l_121;
let l_123 = shared_memory_2[l_122];
let l_124 = u32(128) + local_idx;
let l_125 = shared_memory_2[l_124];
let l_126 = l_125 + l_123;
shared_memory_2[l_124] = l_126;
let l_127 = u32(256) + local_idx;
let l_128 = l_mut_43 * l_mut_9;
let l_129 = l_127 + l_128;
let l_130 = shared_memory_2[l_129];
let l_131 = u32(256) + local_idx;
let l_132 = shared_memory_2[l_131];
let l_133 = l_132 + l_130;
shared_memory_2[l_131] = l_133;
let l_134 = u32(384) + local_idx;
let l_135 = l_mut_43 * l_mut_9;
let l_136 = l_134 + l_135;
let l_137 = shared_memory_2[l_136];
let l_138 = u32(384) + local_idx;
let l_139 = shared_memory_2[l_138];
let l_140 = l_139 + l_137;
shared_memory_2[l_138] = l_140;
let l_141 = u32(512) + local_idx;
let l_142 = l_mut_43 * l_mut_9;
let l_143 = l_141 + l_142;
let l_144 = shared_memory_2[l_143];
let l_145 = u32(512) + local_idx;
let l_146 = shared_memory_2[l_145];
let l_147 = l_146 + l_144;
shared_memory_2[l_145] = l_147;
let l_148 = u32(640) + local_idx;
let l_149 = l_mut_43 * l_mut_9;
let l_150 = l_148 + l_149;
let l_151 = shared_memory_2[l_150];
let l_152 = u32(640) + local_idx;
let l_153 = shared_memory_2[l_152];
let l_154 = l_153 + l_151;
shared_memory_2[l_152] = l_154;
let l_155 = u32(768) + local_idx;
let l_156 = l_mut_43 * l_mut_9;
let l_157 = l_155 + l_156;
let l_158 = shared_memory_2[l_157];
let l_159 = u32(768) + local_idx;
let l_160 = shared_memory_2[l_159];
let l_161 = l_160 + l_158;
shared_memory_2[l_159] = l_161;
let l_162 = u32(896) + local_idx;
let l_163 = l_mut_43 * l_mut_9;
let l_164 = l_162 + l_163;
let l_165 = shared_memory_2[l_164];
let l_166 = u32(896) + local_idx;
let l_167 = shared_memory_2[l_166];
let l_168 = l_167 + l_165;
shared_memory_2[l_166] = l_168;
}
workgroupBarrier();
l_mut_43 = l_mut_43 / u32(2);
}
l_mut_41 = local_idx;
loop {
let l_169 = u32(8) * l_8;
let l_170 = l_mut_41 < l_169;
let l_171 = !l_170;
if l_171 {
break;
}
let l_172 = l_mut_41 / l_8;
let l_173 = l_mut_41 % l_8;
let l_174 = l_4 + l_172;
let l_175 = l_174 < l_6;
if l_175 {
let l_176 = l_4 + l_172;
let l_177 = l_176 * l_5;
let l_178 = u32(0) + l_177;
let l_179 = l_173 * u32(1);
let l_180 = l_178 + l_179;
let l_181 = l_172 * u32(128);
let l_182 = l_181 + l_173;
let l_183 = shared_memory_2[l_182];
let l_184 = f32(1.0) * l_183;
buffer_4_global[l_180] = l_184;
}
l_mut_41 = l_mut_41 + u32(128);
}
} else {
let l_185 = l_0 - info.scalars_u32[1];
let l_186 = l_185 * u32(8);
let l_187 = info.dynamic_meta[info.static_meta[u32(18)] + u32(0)];
let l_188 = info.dynamic_meta[info.static_meta[u32(18)] + u32(0)];
let l_189 = info.dynamic_meta[info.static_meta[u32(18)] + u32(1)];
let l_190 = info.dynamic_meta[info.static_meta[u32(19)] + u32(1)];
l_mut_43 = u32(1);
loop {
let l_191 = l_mut_43 < l_190;
let l_192 = !l_191;
if l_192 {
break;
}
l_mut_43 = l_mut_43 * u32(2);
}
let l_193 = local_idx % l_mut_43;
let l_194 = local_idx / l_mut_43;
let l_195 = u32(128) / l_mut_43;
a_196[u32(0)] = f32(0.0);
a_196[u32(1)] = f32(0.0);
a_196[u32(2)] = f32(0.0);
a_196[u32(3)] = f32(0.0);
a_196[u32(4)] = f32(0.0);
a_196[u32(5)] = f32(0.0);
a_196[u32(6)] = f32(0.0);
a_196[u32(7)] = f32(0.0);
l_mut_41 = u32(0);
loop {
let l_197 = l_mut_41 < l_189;
let l_198 = !l_197;
if l_198 {
break;
}
l_mut_19 = local_idx;
loop {
let l_199 = l_mut_19 < u32(1024);
let l_200 = !l_199;
if l_200 {
break;
}
let l_201 = l_mut_19 % u32(8);
let l_202 = l_mut_19 / u32(8);
l_mut_24 = f32(0.0);
let l_203 = l_186 + l_201;
let l_204 = l_203 < l_188;
if l_204 {
let l_205 = l_mut_41 + l_202;
let l_206 = l_205 < l_189;
if l_206 {
let l_207 = l_186 + l_201;
let l_208 = info.dynamic_meta[info.static_meta[u32(22)] + u32(0)];
let l_209 = l_207 * l_208;
let l_210 = l_mut_41 + l_202;
let l_211 = info.dynamic_meta[info.static_meta[u32(22)] + u32(1)];
let l_212 = l_210 * l_211;
let l_213 = l_209 + l_212;
let l_214 = buffer_2_global[l_213];
l_mut_24 = l_214;
}
}
let l_215 = l_201 * u32(128);
let l_216 = l_215 + l_202;
shared_memory_2[l_216] = l_mut_24;
l_mut_19 = l_mut_19 + u32(128);
}
workgroupBarrier();
let l_217 = l_193 < l_190;
if l_217 {
let l_218 = l_189 - l_mut_41;
l_mut_16 = l_218;
let l_219 = l_mut_16 > u32(128);
if l_219 {
l_mut_16 = u32(128);
}
l_mut_9 = l_194;
loop {
let l_220 = l_mut_9 < l_mut_16;
let l_221 = !l_220;
if l_221 {
break;
}
let l_222 = l_mut_41 + l_mut_9;
let l_223 = info.dynamic_meta[info.static_meta[u32(23)] + u32(0)];
let l_224 = l_222 * l_223;
let l_225 = info.dynamic_meta[info.static_meta[u32(23)] + u32(1)];
let l_226 = l_193 * l_225;
let l_227 = l_224 + l_226;
let l_228 = buffer_3_global[l_227];
let l_229 = u32(0) + l_mut_9;
let l_230 = shared_memory_2[l_229];
let l_231 = l_230 * l_228;
let l_232 = a_196[u32(0)];
let l_233 = l_232 + l_231;
a_196[u32(0)] = l_233;
let l_234 = u32(128) + l_mut_9;
let l_235 = shared_memory_2[l_234];
let l_236 = l_235 * l_228;
let l_237 = a_196[u32(1)];
let l_238 = l_237 + l_236;
a_196[u32(1)] = l_238;
let l_239 = u32(256) + l_mut_9;
let l_240 = shared_memory_2[l_239];
let l_241 = l_240 * l_228;
let l_242 = a_196[u32(2)];
let l_243 = l_242 + l_241;
a_196[u32(2)] = l_243;
let l_244 = u32(384) + l_mut_9;
let l_245 = shared_memory_2[l_244];
let l_246 = l_245 * l_228;
let l_247 = a_196[u32(3)];
let l_248 = l_247 + l_246;
a_196[u32(3)] = l_248;
let l_249 = u32(512) + l_mut_9;
let l_250 = shared_memory_2[l_249];
let l_251 = l_250 * l_228;
let l_252 = a_196[u32(4)];
let l_253 = l_252 + l_251;
a_196[u32(4)] = l_253;
let l_254 = u32(640) + l_mut_9;
let l_255 = shared_memory_2[l_254];
let l_256 = l_255 * l_228;
let l_257 = a_196[u32(5)];
let l_258 = l_257 + l_256;
a_196[u32(5)] = l_258;
let l_259 = u32(768) + l_mut_9;
let l_260 = shared_memory_2[l_259];
let l_261 = l_260 * l_228;
let l_262 = a_196[u32(6)];
let l_263 = l_262 + l_261;
a_196[u32(6)] = l_263;
let l_264 = u32(896) + l_mut_9;
let l_265 = shared_memory_2[l_264];
let l_266 = l_265 * l_228;
let l_267 = a_196[u32(7)];
let l_268 = l_267 + l_266;
a_196[u32(7)] = l_268;
l_mut_9 = l_mut_9 + l_195;
}
}
workgroupBarrier();
l_mut_41 = l_mut_41 + u32(128);
}
let l_269 = u32(0) + local_idx;
let l_270 = a_196[u32(0)];
shared_memory_2[l_269] = l_270;
let l_271 = u32(128) + local_idx;
let l_272 = a_196[u32(1)];
shared_memory_2[l_271] = l_272;
let l_273 = u32(256) + local_idx;
let l_274 = a_196[u32(2)];
shared_memory_2[l_273] = l_274;
let l_275 = u32(384) + local_idx;
let l_276 = a_196[u32(3)];
shared_memory_2[l_275] = l_276;
let l_277 = u32(512) + local_idx;
let l_278 = a_196[u32(4)];
shared_memory_2[l_277] = l_278;
let l_279 = u32(640) + local_idx;
let l_280 = a_196[u32(5)];
shared_memory_2[l_279] = l_280;
let l_281 = u32(768) + local_idx;
let l_282 = a_196[u32(6)];
shared_memory_2[l_281] = l_282;
let l_283 = u32(896) + local_idx;
let l_284 = a_196[u32(7)];
shared_memory_2[l_283] = l_284;
workgroupBarrier();
let l_285 = l_195 / u32(2);
l_mut_19 = l_285;
loop {
let l_286 = l_mut_19 > u32(0);
let l_287 = !l_286;
if l_287 {
break;
}
let l_288 = l_194 < l_mut_19;
if l_288 {
let l_289 = u32(0) + local_idx;
let l_290 = l_mut_19 * l_mut_43;
let l_291 = l_289 + l_290;
let l_292 = shared_memory_2[l_291];
let l_293 = u32(0) + local_idx;
let l_294 = shared_memory_2[l_293];
let l_295 = l_294 + l_292;
shared_memory_2[l_293] = l_295;
let l_296 = u32(128) + local_idx;
let l_297 = l_mut_19 * l_mut_43;
let l_298 = l_296 + l_297;
let l_299 = shared_memory_2[l_298];
let l_300 = u32(128) + local_idx;
let l_301 = shared_memory_2[l_300];
let l_302 = l_301 + l_299;
shared_memory_2[l_300] = l_302;
let l_303 = u32(256) + local_idx;
let l_304 = l_mut_19 * l_mut_43;
let l_305 = l_303 + l_304;
let l_306 = shared_memory_2[l_305];
let l_307 = u32(256) + local_idx;
let l_308 = shared_memory_2[l_307];
let l_309 = l_308 + l_306;
shared_memory_2[l_307] = l_309;
let l_310 = u32(384) + local_idx;
let l_311 = l_mut_19 * l_mut_43;
let l_312 = l_310 + l_311;
let l_313 = shared_memory_2[l_312];
let l_314 = u32(384) + local_idx;
let l_315 = shared_memory_2[l_314];
let l_316 = l_315 + l_313;
shared_memory_2[l_314] = l_316;
let l_317 = u32(512) + local_idx;
let l_318 = l_mut_19 * l_mut_43;
let l_319 = l_317 + l_318;
let l_320 = shared_memory_2[l_319];
let l_321 = u32(512) + local_idx;
let l_322 = shared_memory_2[l_321];
let l_323 = l_322 + l_320;
shared_memory_2[l_321] = l_323;
let l_324 = u32(640) + local_idx;
let l_325 = l_mut_19 * l_mut_43;
let l_326 = l_324 + l_325;
let l_327 = shared_memory_2[l_326];
let l_328 = u32(640) + local_idx;
let l_329 = shared_memory_2[l_328];
let l_330 = l_329 + l_327;
shared_memory_2[l_328] = l_330;
let l_331 = u32(768) + local_idx;
let l_332 = l_mut_19 * l_mut_43;
let l_333 = l_331 + l_332;
let l_334 = shared_memory_2[l_333];
let l_335 = u32(768) + local_idx;
let l_336 = shared_memory_2[l_335];
let l_337 = l_336 + l_334;
shared_memory_2[l_335] = l_337;
let l_338 = u32(896) + local_idx;
let l_339 = l_mut_19 * l_mut_43;
let l_340 = l_338 + l_339;
let l_341 = shared_memory_2[l_340];
let l_342 = u32(896) + local_idx;
let l_343 = shared_memory_2[l_342];
let l_344 = l_343 + l_341;
shared_memory_2[l_342] = l_344;
}
workgroupBarrier();
l_mut_19 = l_mut_19 / u32(2);
}
l_mut_16 = local_idx;
loop {
let l_345 = u32(8) * l_190;
let l_346 = l_mut_16 < l_345;
let l_347 = !l_346;
if l_347 {
break;
}
let l_348 = l_mut_16 / l_190;
let l_349 = l_mut_16 % l_190;
let l_350 = l_186 + l_348;
let l_351 = l_350 < l_188;
if l_351 {
let l_352 = l_186 + l_348;
let l_353 = l_352 * u32(1);
let l_354 = u32(0) + l_353;
let l_355 = l_349 * l_187;
let l_356 = l_354 + l_355;
let l_357 = l_348 * u32(128);
let l_358 = l_357 + l_349;
let l_359 = shared_memory_2[l_358];
let l_360 = info.scalars_f32[0] * l_359;
buffer_5_global[l_356] = l_360;
}
l_mut_16 = l_mut_16 + u32(128);
}
}
}
