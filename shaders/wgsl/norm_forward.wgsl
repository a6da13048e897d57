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
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 6>,
}

@group(0)
@binding(3)
var<storage, read> info: info_st;

var<workgroup> shared_memory_9: array<f32, 32>;

const WORKGROUP_SIZE_X = 32u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(32, 1, 1)
fn forward(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_11: u32;
var l_mut_2: f32;
var l_mut_3: u32;
let l_0 = workgroup_id_no_axis >= info.scalars_u32[0];
if l_0 {
return;
}
let l_1 = workgroup_id_no_axis * info.scalars_u32[1];
l_mut_2 = f32(0.0);
l_mut_3 = local_idx;
loop {
let l_4 = l_mut_3 < info.scalars_u32[1];
let l_5 = !l_4;
if l_5 {
break;
}
let l_6 = l_1 + l_mut_3;
let l_7 = buffer_0_global[l_6];
let l_8 = l_7 * l_7;
l_mut_2 = l_mut_2 + l_8;
l_mut_3 = l_mut_3 + u32(32);
}
workgroupBarrier();
shared_memory_9[local_idx] = l_mut_2;
workgroupBarrier();
let l_10 = workgroup_size_no_axis / u32(2);
l_mut_11 = l_10;
loop {
let l_12 = l_mut_11 > u32(0);
let l_13 = !l_12;
if l_13 {
break;
}
let l_14 = local_idx < l_mut_11;
if l_14 {
let l_15 = local_idx + l_mut_11;
let l_16 = shared_memory_9[l_15];
let l_17 = shared_memory_9[local_idx];
let l_18 = l_17 + l_16;
shared_memory_9[local_idx] = l_18;
}
workgroupBarrier();
l_mut_11 = l_mut_11 / u32(2);
}
let l_19 = shared_memory_9[u32(0)];
let l_20 = f32(info.scalars_u32[1]);
let l_21 = l_19 / l_20;
let l_22 = l_21 + info.scalars_f32[0];
let l_23 = sqrt(l_22);
let l_24 = f32(1.0) / l_23;
l_mut_11 = local_idx;
loop {
let l_25 = l_mut_11 < info.scalars_u32[1];
let l_26 = !l_25;
if l_26 {
break;
}
let l_27 = l_1 + l_mut_11;
let l_28 = l_1 + l_mut_11;
let l_29 = buffer_0_global[l_28];
let l_30 = l_29 * l_24;
let l_31 = buffer_1_global[l_mut_11];
let l_32 = l_30 * l_31;
buffer_2_global[l_27] = l_32;
l_mut_11 = l_mut_11 + u32(32);
}
}
