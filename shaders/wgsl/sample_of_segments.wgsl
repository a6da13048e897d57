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
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 6>,
}

@group(0)
@binding(3)
var<storage, read> info: info_st;

var<workgroup> shared_memory_36: array<f32, 256>;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn of_segments(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_11: u32;
var l_mut_12: f32;
var l_mut_13: f32;
var l_mut_39: u32;
let l_0 = info.scalars_u32[0] + u32(8192);
let l_1 = l_0 - u32(1);
let l_2 = l_1 / u32(8192);
let l_3 = workgroup_id_no_axis / l_2;
let l_4 = workgroup_id_no_axis % l_2;
let l_5 = info.static_meta[u32(4)];
let l_6 = l_5 / u32(2);
let l_7 = l_3 >= l_6;
if l_7 {
return;
}
let l_8 = l_3 * u32(2);
let l_9 = buffer_1_global[l_8];
let l_10 = u32(1073741824) + local_idx;
l_mut_11 = l_10;
l_mut_12 = f32(-1.0000000150474662e30);
l_mut_13 = f32(0.0);

for (var l_mut_14: u32 = u32(0); l_mut_14 < u32(32); l_mut_14++) {
let l_15 = l_4 * u32(8192);
let l_16 = l_mut_14 * u32(256);
let l_17 = l_15 + l_16;
let l_18 = l_17 + local_idx;
let l_19 = l_18 < info.scalars_u32[0];
if l_19 {
let l_20 = l_3 * info.scalars_u32[0];
let l_21 = l_20 + l_18;
let l_22 = buffer_0_global[l_21];
let l_23 = l_mut_12;
let l_24 = l_22 > l_23;
if l_24 {
let l_25 = l_mut_13;
let l_26 = l_23 - l_22;
let l_27 = l_26 * l_9;
let l_28 = exp(l_27);
let l_29 = l_25 * l_28;
let l_30 = l_29 + f32(1.0);
l_mut_13 = l_30;
l_mut_12 = l_22;
l_mut_11 = l_18;
} else {
let l_31 = l_mut_13;
let l_32 = l_22 - l_23;
let l_33 = l_32 * l_9;
let l_34 = exp(l_33);
let l_35 = l_31 + l_34;
l_mut_13 = l_35;
}
}
}
let l_37 = l_mut_12;
workgroupBarrier();
shared_memory_36[local_idx] = l_37;
workgroupBarrier();
let l_38 = workgroup_size_no_axis / u32(2);
l_mut_39 = l_38;
loop {
let l_40 = l_mut_39 > u32(0);
let l_41 = !l_40;
if l_41 {
break;
}
let l_42 = local_idx < l_mut_39;
if l_42 {
let l_43 = local_idx + l_mut_39;
let l_44 = shared_memory_36[l_43];
let l_45 = shared_memory_36[local_idx];
let l_46 = max(l_45, l_44);
shared_memory_36[local_idx] = l_46;
}
workgroupBarrier();
l_mut_39 = l_mut_39 / u32(2);
}
let l_47 = shared_memory_36[u32(0)];
let l_48 = l_mut_13;
let l_49 = l_37 - l_47;
let l_50 = l_49 * l_9;
let l_51 = exp(l_50);
let l_52 = l_48 * l_51;
workgroupBarrier();
shared_memory_36[local_idx] = l_52;
workgroupBarrier();
let l_53 = workgroup_size_no_axis / u32(2);
l_mut_39 = l_53;
loop {
let l_54 = l_mut_39 > u32(0);
let l_55 = !l_54;
if l_55 {
break;
}
let l_56 = local_idx < l_mut_39;
if l_56 {
let l_57 = local_idx + l_mut_39;
let l_58 = shared_memory_36[l_57];
let l_59 = shared_memory_36[local_idx];
let l_60 = l_59 + l_58;
shared_memory_36[local_idx] = l_60;
}
workgroupBarrier();
l_mut_39 = l_mut_39 / u32(2);
}
let l_61 = shared_memory_36[u32(0)];
let l_62 = workgroup_id_no_axis * u32(515);
let l_63 = local_idx == u32(0);
if l_63 {
buffer_2_global[l_62] = l_47;
let l_64 = l_62 + u32(1);
buffer_2_global[l_64] = l_61;
}
let l_65 = l_62 + u32(3);
let l_66 = l_65 + local_idx;
buffer_2_global[l_66] = l_37;
let l_67 = l_62 + u32(3);
let l_68 = l_67 + u32(256);
let l_69 = l_68 + local_idx;
let l_70 = l_mut_11;
let l_71 = f32(l_70);
buffer_2_global[l_69] = l_71;
}
