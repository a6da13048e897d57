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

var<workgroup> shared_memory_10: array<f32, 1024>;

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
var a_28: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_11: u32;
var l_mut_15: f32;
var l_mut_32: u32;
let l_0 = info.scalars_u32[3] + u32(128);
let l_1 = l_0 - u32(1);
let l_2 = l_1 / u32(128);
let l_3 = info.scalars_u32[0] + workgroup_id_no_axis;
let l_4 = l_3 / l_2;
let l_5 = l_4 * u32(8);
let l_6 = l_5 >= info.scalars_u32[1];
if l_6 {
return;
}
let l_7 = l_3 % l_2;
let l_8 = l_7 * u32(128);
let l_9 = l_8 + local_idx;
l_mut_11 = local_idx;
loop {
let l_12 = u32(8) * info.scalars_u32[2];
let l_13 = l_mut_11 < l_12;
let l_14 = !l_13;
if l_14 {
break;
}
l_mut_15 = f32(0.0);
let l_16 = l_mut_11 / info.scalars_u32[2];
let l_17 = l_5 + l_16;
let l_18 = l_17 < info.scalars_u32[1];
if l_18 {
let l_19 = info.dynamic_meta[info.static_meta[u32(10)] + u32(0)];
let l_20 = l_17 * l_19;
let l_21 = l_mut_11 % info.scalars_u32[2];
let l_22 = info.dynamic_meta[info.static_meta[u32(10)] + u32(1)];
let l_23 = l_21 * l_22;
let l_24 = l_20 + l_23;
let l_25 = buffer_1_global[l_24];
let l_26 = l_25 * info.scalars_f32[0];
l_mut_15 = l_26;
}
shared_memory_10[l_mut_11] = l_mut_15;
l_mut_11 = l_mut_11 + u32(128);
}
workgroupBarrier();
let l_27 = l_9 < info.scalars_u32[3];
if l_27 {
a_28[u32(0)] = f32(0.0);
a_28[u32(1)] = f32(0.0);
a_28[u32(2)] = f32(0.0);
a_28[u32(3)] = f32(0.0);
a_28[u32(4)] = f32(0.0);
a_28[u32(5)] = f32(0.0);
a_28[u32(6)] = f32(0.0);
a_28[u32(7)] = f32(0.0);
let l_29 = info.dynamic_meta[info.static_meta[u32(11)] + u32(0)];
let l_30 = info.dynamic_meta[info.static_meta[u32(11)] + u32(1)];
let l_31 = l_9 * l_30;
l_mut_32 = l_31;

for (var l_mut_33: u32 = u32(0); l_mut_33 < info.scalars_u32[2]; l_mut_33++) {
let l_34 = buffer_2_global[l_mut_32];
let l_35 = u32(0) * info.scalars_u32[2];
let l_36 = l_35 + l_mut_33;
let l_37 = shared_memory_10[l_36];
let l_38 = l_37 * l_34;
let l_39 = a_28[u32(0)];
let l_40 = l_39 + l_38;
a_28[u32(0)] = l_40;
let l_41 = u32(1) * info.scalars_u32[2];
let l_42 = l_41 + l_mut_33;
let l_43 = shared_memory_10[l_42];
let l_44 = l_43 * l_34;
let l_45 = a_28[u32(1)];
let l_46 = l_45 + l_44;
a_28[u32(1)] = l_46;
let l_47 = u32(2) * info.scalars_u32[2];
let l_48 = l_47 + l_mut_33;
let l_49 = shared_memory_10[l_48];
let l_50 = l_49 * l_34;
let l_51 = a_28[u32(2)];
let l_52 = l_51 + l_50;
a_28[u32(2)] = l_52;
let l_53 = u32(3) * info.scalars_u32[2];
let l_54 = l_53 + l_mut_33;
let l_55 = shared_memory_10[l_54];
let l_56 = l_55 * l_34;
let l_57 = a_28[u32(3)];
let l_58 = l_57 + l_56;
a_28[u32(3)] = l_58;
let l_59 = u32(4) * info.scalars_u32[2];
let l_60 = l_59 + l_mut_33;
let l_61 = shared_memory_10[l_60];
let l_62 = l_61 * l_34;
let l_63 = a_28[u32(4)];
let l_64 = l_63 + l_62;
a_28[u32(4)] = l_64;
let l_65 = u32(5) * info.scalars_u32[2];
let l_66 = l_65 + l_mut_33;
let l_67 = shared_memory_10[l_66];
let l_68 = l_67 * l_34;
let l_69 = a_28[u32(5)];
let l_70 = l_69 + l_68;
a_28[u32(5)] = l_70;
let l_71 = u32(6) * info.scalars_u32[2];
let l_72 = l_71 + l_mut_33;
let l_73 = shared_memory_10[l_72];
let l_74 = l_73 * l_34;
let l_75 = a_28[u32(6)];
let l_76 = l_75 + l_74;
a_28[u32(6)] = l_76;
let l_77 = u32(7) * info.scalars_u32[2];
let l_78 = l_77 + l_mut_33;
let l_79 = shared_memory_10[l_78];
let l_80 = l_79 * l_34;
let l_81 = a_28[u32(7)];
let l_82 = l_81 + l_80;
a_28[u32(7)] = l_82;
l_mut_32 = l_mut_32 + l_29;
}
let l_83 = l_5 + u32(0);
let l_84 = l_83 < info.scalars_u32[1];
if l_84 {
let l_85 = l_5 + u32(0);
let l_86 = l_85 * info.scalars_u32[3];
let l_87 = l_86 + l_9;
let l_88 = buffer_0_global[l_87];
let l_89 = l_88 + f32(0.0);
let l_90 = l_89 + f32(0.0);
let l_91 = a_28[u32(0)];
let l_92 = l_90 + l_91;
buffer_0_global[l_87] = l_92;
}
let l_93 = l_5 + u32(1);
let l_94 = l_93 < info.scalars_u32[1];
if l_94 {
let l_95 = l_5 + u32(1);
let l_96 = l_95 * info.scalars_u32[3];
let l_97 = l_96 + l_9;
let l_98 = buffer_0_global[l_97];
let l_99 = l_98 + f32(0.0);
let l_100 = l_99 + f32(0.0);
let l_101 = a_28[u32(1)];
let l_102 = l_100 + l_101;
buffer_0_global[l_97] = l_102;
}
let l_103 = l_5 + u32(2);
let l_104 = l_103 < info.scalars_u32[1];
if l_104 {
let l_105 = l_5 + u32(2);
let l_106 = l_105 * info.scalars_u32[3];
let l_107 = l_106 + l_9;
let l_108 = buffer_0_global[l_107];
let l_109 = l_108 + f32(0.0);
let l_110 = l_109 + f32(0.0);
let l_111 = a_28[u32(2)];
let l_112 = l_110 + l_111;
buffer_0_global[l_107] = l_112;
}
let l_113 = l_5 + u32(3);
let l_114 = l_113 < info.scalars_u32[1];
if l_114 {
let l_115 = l_5 + u32(3);
let l_116 = l_115 * info.scalars_u32[3];
let l_117 = l_116 + l_9;
let l_118 = buffer_0_global[l_117];
let l_119 = l_118 + f32(0.0);
let l_120 = l_119 + f32(0.0);
let l_121 = a_28[u32(3)];
let l_122 = l_120 + l_121;
buffer_0_global[l_117] = l_122;
}
let l_123 = l_5 + u32(4);
let l_124 = l_123 < info.scalars_u32[1];
if l_124 {
let l_125 = l_5 + u32(4);
let l_126 = l_125 * info.scalars_u32[3];
let l_127 = l_126 + l_9;
let l_128 = buffer_0_global[l_127];
let l_129 = l_128 + f32(0.0);
let l_130 = l_129 + f32(0.0);
let l_131 = a_28[u32(4)];
let l_132 = l_130 + l_131;
buffer_0_global[l_127] = l_132;
}
let l_133 = l_5 + u32(5);
let l_134 = l_133 < info.scalars_u32[1];
if l_134 {
let l_135 = l_5 + u32(5);
let l_136 = l_135 * info.scalars_u32[3];
let l_137 = l_136 + l_9;
let l_138 = buffer_0_global[l_137];
let l_139 = l_138 + f32(0.0);
let l_140 = l_139 + f32(0.0);
let l_141 = a_28[u32(5)];
let l_142 = l_140 + l_141;
buffer_0_global[l_137] = l_142;
}
let l_143 = l_5 + u32(6);
let l_144 = l_143 < info.scalars_u32[1];
if l_144 {
let l_145 = l_5 + u32(6);
let l_146 = l_145 * info.scalars_u32[3];
let l_147 = l_146 + l_9;
let l_148 = buffer_0_global[l_147];
let l_149 = l_148 + f32(0.0);
let l_150 = l_149 + f32(0.0);
let l_151 = a_28[u32(6)];
let l_152 = l_150 + l_151;
buffer_0_global[l_147] = l_152;
}
let l_153 = l_5 + u32(7);
let l_154 = l_153 < info.scalars_u32[1];
if l_154 {
let l_155 = l_5 + u32(7);
let l_156 = l_155 * info.scalars_u32[3];
let l_157 = l_156 + l_9;
let l_158 = buffer_0_global[l_157];
let l_159 = l_158 + f32(0.0);
let l_160 = l_159 + f32(0.0);
let l_161 = a_28[u32(7)];
let l_162 = l_160 + l_161;
buffer_0_global[l_157] = l_162;
}
}
}
