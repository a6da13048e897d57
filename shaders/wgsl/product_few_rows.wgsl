@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<vec4<f32>>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<vec4<u32>>;

@group(0)
@binding(2)
var<storage, read_write> buffer_2_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 6>,
}

@group(0)
@binding(3)
var<storage, read> info: info_st;

var<workgroup> shared_memory_175: array<f32, 384>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn few_rows_w_u32_n_4(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_11: array<vec4<f32>, 3>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_16: u32;
var l_mut_177: f32;
var l_mut_23: vec4<f32>;
var l_mut_25: vec4<f32>;
let l_0 = info.scalars_u32[1] + u32(4);
let l_1 = l_0 - u32(1);
let l_2 = l_1 / u32(4);
let l_3 = workgroup_id_no_axis / l_2;
let l_4 = l_3 * u32(3);
let l_5 = l_4 >= info.scalars_u32[0];
if l_5 {
return;
}
let l_6 = local_idx % u32(32);
let l_7 = workgroup_id_no_axis % l_2;
let l_8 = l_7 * u32(4);
let l_9 = local_idx / u32(32);
let l_10 = l_8 + l_9;
let l_12 = vec4<f32>(f32(0.0));
a_11[u32(0)] = l_12;
let l_13 = vec4<f32>(f32(0.0));
a_11[u32(1)] = l_13;
let l_14 = vec4<f32>(f32(0.0));
a_11[u32(2)] = l_14;
let l_15 = l_10 < info.scalars_u32[1];
if l_15 {
l_mut_16 = l_6;
loop {
let l_17 = l_mut_16 < info.scalars_u32[2];
let l_18 = !l_17;
if l_18 {
break;
}
let l_19 = l_10 * info.scalars_u32[3];
let l_20 = l_19 + l_mut_16;
let l_21 = buffer_1_global[l_20];
let l_22 = vec4<f32>(f32(0.0));
l_mut_23 = l_22;
let l_24 = vec4<f32>(f32(0.0));
l_mut_25 = l_24;
let l_26 = l_21[u32(0)];
let l_27 = l_26 & u32(65535);
let l_28 = l_27 & u32(32767);
let l_29 = f32(l_28);
let l_30 = l_29 * f32(5.960464477539063e-8);
let l_31 = l_28 << u32(13);
let l_32 = l_31 + u32(939524096);
let l_33 = bitcast<f32>(l_32);
let l_34 = l_28 < u32(1024);
let l_35 = select(l_33, l_30, l_34);
let l_36 = l_27 < u32(32768);
let l_37 = -l_35;
let l_38 = select(l_37, l_35, l_36);
l_mut_23[u32(0)] = l_38;
let l_39 = l_21[u32(0)];
let l_40 = l_39 >> u32(16);
let l_41 = l_40 & u32(32767);
let l_42 = f32(l_41);
let l_43 = l_42 * f32(5.960464477539063e-8);
let l_44 = l_41 << u32(13);
let l_45 = l_44 + u32(939524096);
let l_46 = bitcast<f32>(l_45);
let l_47 = l_41 < u32(1024);
let l_48 = select(l_46, l_43, l_47);
let l_49 = l_40 < u32(32768);
let l_50 = -l_48;
let l_51 = select(l_50, l_48, l_49);
l_mut_23[u32(1)] = l_51;
let l_52 = l_21[u32(2)];
let l_53 = l_52 & u32(65535);
let l_54 = l_53 & u32(32767);
let l_55 = f32(l_54);
let l_56 = l_55 * f32(5.960464477539063e-8);
let l_57 = l_54 << u32(13);
let l_58 = l_57 + u32(939524096);
let l_59 = bitcast<f32>(l_58);
let l_60 = l_54 < u32(1024);
let l_61 = select(l_59, l_56, l_60);
let l_62 = l_53 < u32(32768);
let l_63 = -l_61;
let l_64 = select(l_63, l_61, l_62);
l_mut_25[u32(0)] = l_64;
let l_65 = l_21[u32(2)];
let l_66 = l_65 >> u32(16);
let l_67 = l_66 & u32(32767);
let l_68 = f32(l_67);
let l_69 = l_68 * f32(5.960464477539063e-8);
let l_70 = l_67 << u32(13);
let l_71 = l_70 + u32(939524096);
let l_72 = bitcast<f32>(l_71);
let l_73 = l_67 < u32(1024);
let l_74 = select(l_72, l_69, l_73);
let l_75 = l_66 < u32(32768);
let l_76 = -l_74;
let l_77 = select(l_76, l_74, l_75);
l_mut_25[u32(1)] = l_77;
let l_78 = l_21[u32(1)];
let l_79 = l_78 & u32(65535);
let l_80 = l_79 & u32(32767);
let l_81 = f32(l_80);
let l_82 = l_81 * f32(5.960464477539063e-8);
let l_83 = l_80 << u32(13);
let l_84 = l_83 + u32(939524096);
let l_85 = bitcast<f32>(l_84);
let l_86 = l_80 < u32(1024);
let l_87 = select(l_85, l_82, l_86);
let l_88 = l_79 < u32(32768);
let l_89 = -l_87;
let l_90 = select(l_89, l_87, l_88);
l_mut_23[u32(2)] = l_90;
let l_91 = l_21[u32(1)];
let l_92 = l_91 >> u32(16);
let l_93 = l_92 & u32(32767);
let l_94 = f32(l_93);
let l_95 = l_94 * f32(5.960464477539063e-8);
let l_96 = l_93 << u32(13);
let l_97 = l_96 + u32(939524096);
let l_98 = bitcast<f32>(l_97);
let l_99 = l_93 < u32(1024);
let l_100 = select(l_98, l_95, l_99);
let l_101 = l_92 < u32(32768);
let l_102 = -l_100;
let l_103 = select(l_102, l_100, l_101);
l_mut_23[u32(3)] = l_103;
let l_104 = l_21[u32(3)];
let l_105 = l_104 & u32(65535);
let l_106 = l_105 & u32(32767);
let l_107 = f32(l_106);
let l_108 = l_107 * f32(5.960464477539063e-8);
let l_109 = l_106 << u32(13);
let l_110 = l_109 + u32(939524096);
let l_111 = bitcast<f32>(l_110);
let l_112 = l_106 < u32(1024);
let l_113 = select(l_111, l_108, l_112);
let l_114 = l_105 < u32(32768);
let l_115 = -l_113;
let l_116 = select(l_115, l_113, l_114);
l_mut_25[u32(2)] = l_116;
let l_117 = l_21[u32(3)];
let l_118 = l_117 >> u32(16);
let l_119 = l_118 & u32(32767);
let l_120 = f32(l_119);
let l_121 = l_120 * f32(5.960464477539063e-8);
let l_122 = l_119 << u32(13);
let l_123 = l_122 + u32(939524096);
let l_124 = bitcast<f32>(l_123);
let l_125 = l_119 < u32(1024);
let l_126 = select(l_124, l_121, l_125);
let l_127 = l_118 < u32(32768);
let l_128 = -l_126;
let l_129 = select(l_128, l_126, l_127);
l_mut_25[u32(3)] = l_129;
let l_130 = info.scalars_u32[0] - u32(1);
let l_131 = l_4 + u32(0);
let l_132 = min(l_131, l_130);
let l_133 = l_132 * info.scalars_u32[2];
let l_134 = l_133 + l_mut_16;
let l_135 = l_134 * u32(2);
let l_136 = buffer_0_global[l_135];
let l_137 = l_mut_23 * l_136;
let l_138 = a_11[u32(0)];
let l_139 = l_138 + l_137;
a_11[u32(0)] = l_139;
let l_140 = l_135 + u32(1);
let l_141 = buffer_0_global[l_140];
let l_142 = l_mut_25 * l_141;
let l_143 = a_11[u32(0)];
let l_144 = l_143 + l_142;
a_11[u32(0)] = l_144;
let l_145 = info.scalars_u32[0] - u32(1);
let l_146 = l_4 + u32(1);
let l_147 = min(l_146, l_145);
let l_148 = l_147 * info.scalars_u32[2];
let l_149 = l_148 + l_mut_16;
let l_150 = l_149 * u32(2);
let l_151 = buffer_0_global[l_150];
let l_152 = l_mut_23 * l_151;
let l_153 = a_11[u32(1)];
let l_154 = l_153 + l_152;
a_11[u32(1)] = l_154;
let l_155 = l_150 + u32(1);
let l_156 = buffer_0_global[l_155];
let l_157 = l_mut_25 * l_156;
let l_158 = a_11[u32(1)];
let l_159 = l_158 + l_157;
a_11[u32(1)] = l_159;
let l_160 = info.scalars_u32[0] - u32(1);
let l_161 = l_4 + u32(2);
let l_162 = min(l_161, l_160);
let l_163 = l_162 * info.scalars_u32[2];
let l_164 = l_163 + l_mut_16;
let l_165 = l_164 * u32(2);
let l_166 = buffer_0_global[l_165];
let l_167 = l_mut_23 * l_166;
let l_168 = a_11[u32(2)];
let l_169 = l_168 + l_167;
a_11[u32(2)] = l_169;
let l_170 = l_165 + u32(1);
let l_171 = buffer_0_global[l_170];
let l_172 = l_mut_25 * l_171;
let l_173 = a_11[u32(2)];
let l_174 = l_173 + l_172;
a_11[u32(2)] = l_174;
l_mut_16 = l_mut_16 + u32(32);
}
}
let l_176 = a_11[u32(0)];
l_mut_177 = f32(0.0);
let l_178 = l_176[u32(0)];
l_mut_177 = l_mut_177 + l_178;
let l_179 = l_176[u32(1)];
l_mut_177 = l_mut_177 + l_179;
let l_180 = l_176[u32(2)];
l_mut_177 = l_mut_177 + l_180;
let l_181 = l_176[u32(3)];
l_mut_177 = l_mut_177 + l_181;
let l_182 = u32(0) + local_idx;
shared_memory_175[l_182] = l_mut_177;
let l_183 = a_11[u32(1)];
l_mut_177 = f32(0.0);
let l_184 = l_183[u32(0)];
l_mut_177 = l_mut_177 + l_184;
let l_185 = l_183[u32(1)];
l_mut_177 = l_mut_177 + l_185;
let l_186 = l_183[u32(2)];
l_mut_177 = l_mut_177 + l_186;
let l_187 = l_183[u32(3)];
l_mut_177 = l_mut_177 + l_187;
let l_188 = u32(128) + local_idx;
shared_memory_175[l_188] = l_mut_177;
let l_189 = a_11[u32(2)];
l_mut_177 = f32(0.0);
let l_190 = l_189[u32(0)];
l_mut_177 = l_mut_177 + l_190;
let l_191 = l_189[u32(1)];
l_mut_177 = l_mut_177 + l_191;
let l_192 = l_189[u32(2)];
l_mut_177 = l_mut_177 + l_192;
let l_193 = l_189[u32(3)];
l_mut_177 = l_mut_177 + l_193;
let l_194 = u32(256) + local_idx;
shared_memory_175[l_194] = l_mut_177;
workgroupBarrier();
l_mut_16 = u32(16);
loop {
let l_195 = l_mut_16 > u32(0);
let l_196 = !l_195;
if l_196 {
break;
}
let l_197 = l_6 < l_mut_16;
if l_197 {
let l_198 = u32(0) + local_idx;
let l_199 = l_198 + l_mut_16;
let l_200 = shared_memory_175[l_199];
let l_201 = u32(0) + local_idx;
let l_202 = shared_memory_175[l_201];
let l_203 = l_202 + l_200;
shared_memory_175[l_201] = l_203;
let l_204 = u32(128) + local_idx;
let l_205 = l_204 + l_mut_16;
let l_206 = shared_memory_175[l_205];
let l_207 = u32(128) + local_idx;
let l_208 = shared_memory_175[l_207];
let l_209 = l_208 + l_206;
shared_memory_175[l_207] = l_209;
let l_210 = u32(256) + local_idx;
let l_211 = l_210 + l_mut_16;
let l_212 = shared_memory_175[l_211];
let l_213 = u32(256) + local_idx;
let l_214 = shared_memory_175[l_213];
let l_215 = l_214 + l_212;
shared_memory_175[l_213] = l_215;
}
workgroupBarrier();
l_mut_16 = l_mut_16 / u32(2);
}
let l_216 = l_6 < u32(3);
let l_217 = l_4 + l_6;
let l_218 = l_217 < info.scalars_u32[0];
let l_219 = l_216 && l_218;
let l_220 = l_10 < info.scalars_u32[1];
let l_221 = l_219 && l_220;
if l_221 {
let l_222 = l_4 + l_6;
let l_223 = l_222 * info.scalars_u32[1];
let l_224 = l_223 + l_10;
let l_225 = f32(0.0) + f32(0.0);
let l_226 = l_6 * u32(128);
let l_227 = l_226 + local_idx;
let l_228 = l_227 - l_6;
let l_229 = shared_memory_175[l_228];
let l_230 = l_229 + l_225;
buffer_2_global[l_224] = l_230;
}
}
