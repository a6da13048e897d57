@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<i32>;

@group(0)
@binding(2)
var<storage, read_write> buffer_2_global: array<f32>;

@group(0)
@binding(3)
var<storage, read_write> buffer_3_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 8>,
}

@group(0)
@binding(4)
var<storage, read> info: info_st;

var<workgroup> shared_memory_26: array<f32, 256>;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn row_losses_i_i32(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_10: u32;
var l_mut_29: u32;
var l_mut_8: f32;
var l_mut_9: f32;
let l_0 = info.static_meta[u32(7)];
let l_1 = workgroup_id_no_axis >= l_0;
if l_1 {
return;
}
let l_2 = workgroup_id_no_axis * info.scalars_u32[0];
let l_3 = buffer_1_global[workgroup_id_no_axis];
let l_4 = u32(l_3);
let l_5 = buffer_2_global[workgroup_id_no_axis];
let l_6 = l_2 + l_4;
let l_7 = buffer_0_global[l_6];
l_mut_8 = f32(-1.0000000150474662e30);
l_mut_9 = f32(0.0);
l_mut_10 = local_idx;
loop {
let l_11 = l_mut_10 < info.scalars_u32[0];
let l_12 = !l_11;
if l_12 {
break;
}
let l_13 = l_2 + l_mut_10;
let l_14 = buffer_0_global[l_13];
let l_15 = l_mut_8;
let l_16 = l_14 > l_15;
if l_16 {
let l_17 = l_mut_9;
let l_18 = l_15 - l_14;
let l_19 = exp(l_18);
let l_20 = l_17 * l_19;
let l_21 = l_20 + f32(1.0);
l_mut_9 = l_21;
l_mut_8 = l_14;
} else {
let l_22 = l_mut_9;
let l_23 = l_14 - l_15;
let l_24 = exp(l_23);
let l_25 = l_22 + l_24;
l_mut_9 = l_25;
}
l_mut_10 = l_mut_10 + u32(256);
}
let l_27 = l_mut_8;
workgroupBarrier();
shared_memory_26[local_idx] = l_27;
workgroupBarrier();
let l_28 = workgroup_size_no_axis / u32(2);
l_mut_29 = l_28;
loop {
let l_30 = l_mut_29 > u32(0);
let l_31 = !l_30;
if l_31 {
break;
}
let l_32 = local_idx < l_mut_29;
if l_32 {
let l_33 = local_idx + l_mut_29;
let l_34 = shared_memory_26[l_33];
let l_35 = shared_memory_26[local_idx];
let l_36 = max(l_35, l_34);
shared_memory_26[local_idx] = l_36;
}
workgroupBarrier();
l_mut_29 = l_mut_29 / u32(2);
}
let l_37 = shared_memory_26[u32(0)];
let l_38 = l_mut_9;
let l_39 = l_27 - l_37;
let l_40 = exp(l_39);
let l_41 = l_38 * l_40;
workgroupBarrier();
shared_memory_26[local_idx] = l_41;
workgroupBarrier();
let l_42 = workgroup_size_no_axis / u32(2);
l_mut_29 = l_42;
loop {
let l_43 = l_mut_29 > u32(0);
let l_44 = !l_43;
if l_44 {
break;
}
let l_45 = local_idx < l_mut_29;
if l_45 {
let l_46 = local_idx + l_mut_29;
let l_47 = shared_memory_26[l_46];
let l_48 = shared_memory_26[local_idx];
let l_49 = l_48 + l_47;
shared_memory_26[local_idx] = l_49;
}
workgroupBarrier();
l_mut_29 = l_mut_29 / u32(2);
}
let l_50 = shared_memory_26[u32(0)];
let l_51 = l_5 / l_50;
l_mut_29 = local_idx;
loop {
let l_52 = l_mut_29 < info.scalars_u32[0];
let l_53 = !l_52;
if l_53 {
break;
}
let l_54 = l_2 + l_mut_29;
let l_55 = buffer_0_global[l_54];
let l_56 = l_55 - l_37;
let l_57 = exp(l_56);
let l_58 = l_57 * l_51;
l_mut_9 = l_58;
let l_59 = l_mut_29 == l_4;
if l_59 {
l_mut_9 = l_mut_9 - l_5;
}
let l_60 = l_2 + l_mut_29;
buffer_0_global[l_60] = l_mut_9;
l_mut_29 = l_mut_29 + u32(256);
}
let l_61 = local_idx == u32(0);
if l_61 {
let l_62 = log(l_50);
let l_63 = l_37 + l_62;
let l_64 = l_63 - l_7;
let l_65 = l_64 * l_5;
buffer_3_global[workgroup_id_no_axis] = l_65;
}
}
