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
   static_meta: array<u32, 10>,
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
var a_24: array<f32, 8>;

let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_17: f32;
var l_mut_13: u32;
var l_mut_28: u32;
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
let l_10 = info.scalars_u32[0] - l_4;
let l_11 = min(l_10, u32(8));
let l_12 = l_11 * info.scalars_u32[1];
l_mut_13 = local_idx;
loop {
let l_14 = u32(8) * info.scalars_u32[1];
let l_15 = l_mut_13 < l_14;
let l_16 = !l_15;
if l_16 {
break;
}
l_mut_17 = f32(0.0);
let l_18 = l_mut_13 < l_12;
if l_18 {
let l_19 = l_4 * info.scalars_u32[1];
let l_20 = l_19 + l_mut_13;
let l_21 = buffer_1_global[l_20];
let l_22 = l_21 * info.scalars_f32[0];
l_mut_17 = l_22;
}
shared_memory_9[l_mut_13] = l_mut_17;
l_mut_13 = l_mut_13 + u32(128);
}
workgroupBarrier();
let l_23 = l_8 < info.scalars_u32[2];
if l_23 {
a_24[u32(0)] = f32(0.0);
a_24[u32(1)] = f32(0.0);
a_24[u32(2)] = f32(0.0);
a_24[u32(3)] = f32(0.0);
a_24[u32(4)] = f32(0.0);
a_24[u32(5)] = f32(0.0);
a_24[u32(6)] = f32(0.0);
a_24[u32(7)] = f32(0.0);
let l_25 = info.dynamic_meta[info.static_meta[u32(8)] + u32(0)];
let l_26 = info.dynamic_meta[info.static_meta[u32(8)] + u32(1)];
let l_27 = l_8 * l_26;
l_mut_28 = l_27;

for (var l_mut_29: u32 = u32(0); l_mut_29 < info.scalars_u32[1]; l_mut_29++) {
let l_30 = buffer_2_global[l_mut_28];
let l_31 = u32(0) * info.scalars_u32[1];
let l_32 = l_31 + l_mut_29;
let l_33 = shared_memory_9[l_32];
let l_34 = l_33 * l_30;
let l_35 = a_24[u32(0)];
let l_36 = l_35 + l_34;
a_24[u32(0)] = l_36;
let l_37 = u32(1) * info.scalars_u32[1];
let l_38 = l_37 + l_mut_29;
let l_39 = shared_memory_9[l_38];
let l_40 = l_39 * l_30;
let l_41 = a_24[u32(1)];
let l_42 = l_41 + l_40;
a_24[u32(1)] = l_42;
let l_43 = u32(2) * info.scalars_u32[1];
let l_44 = l_43 + l_mut_29;
let l_45 = shared_memory_9[l_44];
let l_46 = l_45 * l_30;
let l_47 = a_24[u32(2)];
let l_48 = l_47 + l_46;
a_24[u32(2)] = l_48;
let l_49 = u32(3) * info.scalars_u32[1];
let l_50 = l_49 + l_mut_29;
let l_51 = shared_memory_9[l_50];
let l_52 = l_51 * l_30;
let l_53 = a_24[u32(3)];
let l_54 = l_53 + l_52;
a_24[u32(3)] = l_54;
let l_55 = u32(4) * info.scalars_u32[1];
let l_56 = l_55 + l_mut_29;
let l_57 = shared_memory_9[l_56];
let l_58 = l_57 * l_30;
let l_59 = a_24[u32(4)];
let l_60 = l_59 + l_58;
a_24[u32(4)] = l_60;
let l_61 = u32(5) * info.scalars_u32[1];
let l_62 = l_61 + l_mut_29;
let l_63 = shared_memory_9[l_62];
let l_64 = l_63 * l_30;
let l_65 = a_24[u32(5)];
let l_66 = l_65 + l_64;
a_24[u32(5)] = l_66;
let l_67 = u32(6) * info.scalars_u32[1];
let l_68 = l_67 + l_mut_29;
let l_69 = shared_memory_9[l_68];
let l_70 = l_69 * l_30;
let l_71 = a_24[u32(6)];
let l_72 = l_71 + l_70;
a_24[u32(6)] = l_72;
let l_73 = u32(7) * info.scalars_u32[1];
let l_74 = l_73 + l_mut_29;
let l_75 = shared_memory_9[l_74];
let l_76 = l_75 * l_30;
let l_77 = a_24[u32(7)];
let l_78 = l_77 + l_76;
a_24[u32(7)] = l_78;
l_mut_28 = l_mut_28 + l_25;
}
let l_79 = l_4 + u32(0);
let l_80 = l_79 < info.scalars_u32[0];
if l_80 {
let l_81 = l_4 + u32(0);
let l_82 = l_81 * info.scalars_u32[2];
let l_83 = l_82 + l_8;
let l_84 = buffer_0_global[l_83];
let l_85 = a_24[u32(0)];
let l_86 = l_84 + l_85;
buffer_0_global[l_83] = l_86;
}
let l_87 = l_4 + u32(1);
let l_88 = l_87 < info.scalars_u32[0];
if l_88 {
let l_89 = l_4 + u32(1);
let l_90 = l_89 * info.scalars_u32[2];
let l_91 = l_90 + l_8;
let l_92 = buffer_0_global[l_91];
let l_93 = a_24[u32(1)];
let l_94 = l_92 + l_93;
buffer_0_global[l_91] = l_94;
}
let l_95 = l_4 + u32(2);
let l_96 = l_95 < info.scalars_u32[0];
if l_96 {
let l_97 = l_4 + u32(2);
let l_98 = l_97 * info.scalars_u32[2];
let l_99 = l_98 + l_8;
let l_100 = buffer_0_global[l_99];
let l_101 = a_24[u32(2)];
let l_102 = l_100 + l_101;
buffer_0_global[l_99] = l_102;
}
let l_103 = l_4 + u32(3);
let l_104 = l_103 < info.scalars_u32[0];
if l_104 {
let l_105 = l_4 + u32(3);
let l_106 = l_105 * info.scalars_u32[2];
let l_107 = l_106 + l_8;
let l_108 = buffer_0_global[l_107];
let l_109 = a_24[u32(3)];
let l_110 = l_108 + l_109;
buffer_0_global[l_107] = l_110;
}
let l_111 = l_4 + u32(4);
let l_112 = l_111 < info.scalars_u32[0];
if l_112 {
let l_113 = l_4 + u32(4);
let l_114 = l_113 * info.scalars_u32[2];
let l_115 = l_114 + l_8;
let l_116 = buffer_0_global[l_115];
let l_117 = a_24[u32(4)];
let l_118 = l_116 + l_117;
buffer_0_global[l_115] = l_118;
}
let l_119 = l_4 + u32(5);
let l_120 = l_119 < info.scalars_u32[0];
if l_120 {
let l_121 = l_4 + u32(5);
let l_122 = l_121 * info.scalars_u32[2];
let l_123 = l_122 + l_8;
let l_124 = buffer_0_global[l_123];
let l_125 = a_24[u32(5)];
let l_126 = l_124 + l_125;
buffer_0_global[l_123] = l_126;
}
let l_127 = l_4 + u32(6);
let l_128 = l_127 < info.scalars_u32[0];
if l_128 {
let l_129 = l_4 + u32(6);
let l_130 = l_129 * info.scalars_u32[2];
let l_131 = l_130 + l_8;
let l_132 = buffer_0_global[l_131];
let l_133 = a_24[u32(6)];
let l_134 = l_132 + l_133;
buffer_0_global[l_131] = l_134;
}
let l_135 = l_4 + u32(7);
let l_136 = l_135 < info.scalars_u32[0];
if l_136 {
let l_137 = l_4 + u32(7);
let l_138 = l_137 * info.scalars_u32[2];
let l_139 = l_138 + l_8;
let l_140 = buffer_0_global[l_139];
let l_141 = a_24[u32(7)];
let l_142 = l_140 + l_141;
buffer_0_global[l_139] = l_142;
}
}
}
