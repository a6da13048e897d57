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

struct info_st {
   scalars_f32: array<f32, 2>,
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 10>,
}

@group(0)
@binding(5)
var<storage, read> info: info_st;

var<workgroup> shared_memory_15: array<f32, 32>;

const WORKGROUP_SIZE_X = 32u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(32, 1, 1)
fn backward(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_17: u32;
var l_mut_2: f32;
var l_mut_3: f32;
var l_mut_4: u32;
let l_0 = workgroup_id_no_axis >= info.scalars_u32[0];
if l_0 {
return;
}
let l_1 = workgroup_id_no_axis * info.scalars_u32[1];
l_mut_2 = f32(0.0);
l_mut_3 = f32(0.0);
l_mut_4 = local_idx;
loop {
let l_5 = l_mut_4 < info.scalars_u32[1];
let l_6 = !l_5;
if l_6 {
break;
}
let l_7 = l_1 + l_mut_4;
let l_8 = buffer_2_global[l_7];
let l_9 = l_8 * l_8;
l_mut_2 = l_mut_2 + l_9;
let l_10 = l_1 + l_mut_4;
let l_11 = buffer_1_global[l_10];
let l_12 = l_8 * l_11;
let l_13 = buffer_3_global[l_mut_4];
let l_14 = l_12 * l_13;
l_mut_3 = l_mut_3 + l_14;
l_mut_4 = l_mut_4 + u32(32);
}
workgroupBarrier();
shared_memory_15[local_idx] = l_mut_2;
workgroupBarrier();
let l_16 = workgroup_size_no_axis / u32(2);
l_mut_17 = l_16;
loop {
let l_18 = l_mut_17 > u32(0);
let l_19 = !l_18;
if l_19 {
break;
}
let l_20 = local_idx < l_mut_17;
if l_20 {
let l_21 = local_idx + l_mut_17;
let l_22 = shared_memory_15[l_21];
let l_23 = shared_memory_15[local_idx];
let l_24 = l_23 + l_22;
shared_memory_15[local_idx] = l_24;
}
workgroupBarrier();
l_mut_17 = l_mut_17 / u32(2);
}
let l_25 = shared_memory_15[u32(0)];
workgroupBarrier();
shared_memory_15[local_idx] = l_mut_3;
workgroupBarrier();
let l_26 = workgroup_size_no_axis / u32(2);
l_mut_17 = l_26;
loop {
let l_27 = l_mut_17 > u32(0);
let l_28 = !l_27;
if l_28 {
break;
}
let l_29 = local_idx < l_mut_17;
if l_29 {
let l_30 = local_idx + l_mut_17;
let l_31 = shared_memory_15[l_30];
let l_32 = shared_memory_15[local_idx];
let l_33 = l_32 + l_31;
shared_memory_15[local_idx] = l_33;
}
workgroupBarrier();
l_mut_17 = l_mut_17 / u32(2);
}
let l_34 = shared_memory_15[u32(0)];
let l_35 = f32(info.scalars_u32[1]);
let l_36 = l_25 / l_35;
let l_37 = l_36 + info.scalars_f32[0];
let l_38 = sqrt(l_37);
let l_39 = f32(1.0) / l_38;
let l_40 = l_39 * l_39;
let l_41 = f32(info.scalars_u32[1]);
let l_42 = l_34 / l_41;
let l_43 = l_40 * l_42;
l_mut_17 = local_idx;
loop {
let l_44 = l_mut_17 < info.scalars_u32[1];
let l_45 = !l_44;
if l_45 {
break;
}
let l_46 = l_1 + l_mut_17;
let l_47 = l_1 + l_mut_17;
let l_48 = buffer_0_global[l_47];
let l_49 = buffer_3_global[l_mut_17];
let l_50 = l_1 + l_mut_17;
let l_51 = buffer_1_global[l_50];
let l_52 = l_49 * l_51;
let l_53 = l_1 + l_mut_17;
let l_54 = buffer_2_global[l_53];
let l_55 = l_54 * l_43;
let l_56 = l_52 - l_55;
let l_57 = l_39 * l_56;
let l_58 = l_48 + l_57;
buffer_0_global[l_46] = l_58;
l_mut_17 = l_mut_17 + u32(32);
}
let l_59 = local_idx == u32(0);
if l_59 {
buffer_4_global[workgroup_id_no_axis] = l_39;
}
}
