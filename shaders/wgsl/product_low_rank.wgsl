@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<f32>;

@group(0)
@binding(2)
var<storage, read_write> buffer_2_global: array<f32>;

struct info_st {
   scalars_f32: array<f32, 2>,
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 12>,
   dynamic_meta: array<u32>,
}

@group(0)
@binding(3)
var<storage, read> info: info_st;

var<workgroup> shared_memory_9: array<f32, 1024>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn low_rank(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
var a_27: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_10: u32;
var l_mut_14: f32;
var l_mut_31: u32;
let l_0 = info.scalars_u32[2] + u32(128);
let l_1 = l_0 - u32(1);
let l_2 = l_1 / u32(128);
let l_3 = workgroup_id_no_axis / l_2;
let l_4 = l_3 * u32(8);
let l_5 = l_4 >= info.scalars_u32[0];
if l_5 {
return;
}
let l_6 = workgroup_id_no_axis % l_2;
let l_7 = l_6 * u32(128);
let l_8 = l_7 + local_idx;
l_mut_10 = local_idx;
loop {
let l_11 = u32(8) * info.scalars_u32[1];
let l_12 = l_mut_10 < l_11;
let l_13 = !l_12;
if l_13 {
break;
}
l_mut_14 = f32(0.0);
let l_15 = l_mut_10 / info.scalars_u32[1];
let l_16 = l_4 + l_15;
let l_17 = l_16 < info.scalars_u32[0];
if l_17 {
let l_18 = info.dynamic_meta[info.static_meta[u32(10)] + u32(0)];
let l_19 = l_16 * l_18;
let l_20 = l_mut_10 % info.scalars_u32[1];
let l_21 = info.dynamic_meta[info.static_meta[u32(10)] + u32(1)];
let l_22 = l_20 * l_21;
let l_23 = l_19 + l_22;
let l_24 = buffer_1_global[l_23];
let l_25 = l_24 * info.scalars_f32[0];
l_mut_14 = l_25;
}
shared_memory_9[l_mut_10] = l_mut_14;
l_mut_10 = l_mut_10 + u32(128);
}
workgroupBarrier();
let l_26 = l_8 < info.scalars_u32[2];
if l_26 {
a_27[u32(0)] = f32(0.0);
a_27[u32(1)] = f32(0.0);
a_27[u32(2)] = f32(0.0);
a_27[u32(3)] = f32(0.0);
a_27[u32(4)] = f32(0.0);
a_27[u32(5)] = f32(0.0);
a_27[u32(6)] = f32(0.0);
a_27[u32(7)] = f32(0.0);
let l_28 = info.dynamic_meta[info.static_meta[u32(11)] + u32(0)];
let l_29 = info.dynamic_meta[info.static_meta[u32(11)] + u32(1)];
let l_30 = l_8 * l_29;
l_mut_31 = l_30;

for (var l_mut_32: u32 = u32(0); l_mut_32 < info.scalars_u32[1]; l_mut_32++) {
let l_33 = buffer_2_global[l_mut_31];
let l_34 = u32(0) * info.scalars_u32[1];
let l_35 = l_34 + l_mut_32;
let l_36 = shared_memory_9[l_35];
let l_37 = l_36 * l_33;
let l_38 = a_27[u32(0)];
let l_39 = l_38 + l_37;
a_27[u32(0)] = l_39;
let l_40 = u32(1) * info.scalars_u32[1];
let l_41 = l_40 + l_mut_32;
let l_42 = shared_memory_9[l_41];
let l_43 = l_42 * l_33;
let l_44 = a_27[u32(1)];
let l_45 = l_44 + l_43;
a_27[u32(1)] = l_45;
let l_46 = u32(2) * info.scalars_u32[1];
let l_47 = l_46 + l_mut_32;
let l_48 = shared_memory_9[l_47];
let l_49 = l_48 * l_33;
let l_50 = a_27[u32(2)];
let l_51 = l_50 + l_49;
a_27[u32(2)] = l_51;
let l_52 = u32(3) * info.scalars_u32[1];
let l_53 = l_52 + l_mut_32;
let l_54 = shared_memory_9[l_53];
let l_55 = l_54 * l_33;
let l_56 = a_27[u32(3)];
let l_57 = l_56 + l_55;
a_27[u32(3)] = l_57;
let l_58 = u32(4) * info.scalars_u32[1];
let l_59 = l_58 + l_mut_32;
let l_60 = shared_memory_9[l_59];
let l_61 = l_60 * l_33;
let l_62 = a_27[u32(4)];
let l_63 = l_62 + l_61;
a_27[u32(4)] = l_63;
let l_64 = u32(5) * info.scalars_u32[1];
let l_65 = l_64 + l_mut_32;
let l_66 = shared_memory_9[l_65];
let l_67 = l_66 * l_33;
let l_68 = a_27[u32(5)];
let l_69 = l_68 + l_67;
a_27[u32(5)] = l_69;
let l_70 = u32(6) * info.scalars_u32[1];
let l_71 = l_70 + l_mut_32;
let l_72 = shared_memory_9[l_71];
let l_73 = l_72 * l_33;
let l_74 = a_27[u32(6)];
let l_75 = l_74 + l_73;
a_27[u32(6)] = l_75;
let l_76 = u32(7) * info.scalars_u32[1];
let l_77 = l_76 + l_mut_32;
let l_78 = shared_memory_9[l_77];
let l_79 = l_78 * l_33;
let l_80 = a_27[u32(7)];
let l_81 = l_80 + l_79;
a_27[u32(7)] = l_81;
l_mut_31 = l_mut_31 + l_28;
}
let l_82 = l_4 + u32(0);
let l_83 = l_82 < info.scalars_u32[0];
if l_83 {
let l_84 = l_4 + u32(0);
let l_85 = l_84 * info.scalars_u32[2];
let l_86 = l_85 + l_8;
let l_87 = buffer_0_global[l_86];
let l_88 = l_87 + f32(0.0);
let l_89 = l_88 + f32(0.0);
let l_90 = a_27[u32(0)];
let l_91 = l_89 + l_90;
buffer_0_global[l_86] = l_91;
}
let l_92 = l_4 + u32(1);
let l_93 = l_92 < info.scalars_u32[0];
if l_93 {
let l_94 = l_4 + u32(1);
let l_95 = l_94 * info.scalars_u32[2];
let l_96 = l_95 + l_8;
let l_97 = buffer_0_global[l_96];
let l_98 = l_97 + f32(0.0);
let l_99 = l_98 + f32(0.0);
let l_100 = a_27[u32(1)];
let l_101 = l_99 + l_100;
buffer_0_global[l_96] = l_101;
}
let l_102 = l_4 + u32(2);
let l_103 = l_102 < info.scalars_u32[0];
if l_103 {
let l_104 = l_4 + u32(2);
let l_105 = l_104 * info.scalars_u32[2];
let l_106 = l_105 + l_8;
let l_107 = buffer_0_global[l_106];
let l_108 = l_107 + f32(0.0);
let l_109 = l_108 + f32(0.0);
let l_110 = a_27[u32(2)];
let l_111 = l_109 + l_110;
buffer_0_global[l_106] = l_111;
}
let l_112 = l_4 + u32(3);
let l_113 = l_112 < info.scalars_u32[0];
if l_113 {
let l_114 = l_4 + u32(3);
let l_115 = l_114 * info.scalars_u32[2];
let l_116 = l_115 + l_8;
let l_117 = buffer_0_global[l_116];
let l_118 = l_117 + f32(0.0);
let l_119 = l_118 + f32(0.0);
let l_120 = a_27[u32(3)];
let l_121 = l_119 + l_120;
buffer_0_global[l_116] = l_121;
}
let l_122 = l_4 + u32(4);
let l_123 = l_122 < info.scalars_u32[0];
if l_123 {
let l_124 = l_4 + u32(4);
let l_125 = l_124 * info.scalars_u32[2];
let l_126 = l_125 + l_8;
let l_127 = buffer_0_global[l_126];
let l_128 = l_127 + f32(0.0);
let l_129 = l_128 + f32(0.0);
let l_130 = a_27[u32(4)];
let l_131 = l_129 + l_130;
buffer_0_global[l_126] = l_131;
}
let l_132 = l_4 + u32(5);
let l_133 = l_132 < info.scalars_u32[0];
if l_133 {
let l_134 = l_4 + u32(5);
let l_135 = l_134 * info.scalars_u32[2];
let l_136 = l_135 + l_8;
let l_137 = buffer_0_global[l_136];
let l_138 = l_137 + f32(0.0);
let l_139 = l_138 + f32(0.0);
let l_140 = a_27[u32(5)];
let l_141 = l_139 + l_140;
buffer_0_global[l_136] = l_141;
}
let l_142 = l_4 + u32(6);
let l_143 = l_142 < info.scalars_u32[0];
if l_143 {
let l_144 = l_4 + u32(6);
let l_145 = l_144 * info.scalars_u32[2];
let l_146 = l_145 + l_8;
let l_147 = buffer_0_global[l_146];
let l_148 = l_147 + f32(0.0);
let l_149 = l_148 + f32(0.0);
let l_150 = a_27[u32(6)];
let l_151 = l_149 + l_150;
buffer_0_global[l_146] = l_151;
}
let l_152 = l_4 + u32(7);
let l_153 = l_152 < info.scalars_u32[0];
if l_153 {
let l_154 = l_4 + u32(7);
let l_155 = l_154 * info.scalars_u32[2];
let l_156 = l_155 + l_8;
let l_157 = buffer_0_global[l_156];
let l_158 = l_157 + f32(0.0);
let l_159 = l_158 + f32(0.0);
let l_160 = a_27[u32(7)];
let l_161 = l_159 + l_160;
buffer_0_global[l_156] = l_161;
}
}
}
