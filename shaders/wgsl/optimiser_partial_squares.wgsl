@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 4>,
}

@group(0)
@binding(2)
var<storage, read> info: info_st;

var<workgroup> shared_memory_1: array<f32, 256>;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn partial_squares(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_13: u32;
var l_mut_2: f32;
var l_mut_5: u32;
let l_0 = workgroup_id_no_axis >= info.scalars_u32[2];
if l_0 {
return;
}
l_mut_2 = f32(0.0);
let l_3 = workgroup_id_no_axis * u32(256);
let l_4 = l_3 + local_idx;
l_mut_5 = l_4;
loop {
let l_6 = l_mut_5 < info.scalars_u32[0];
let l_7 = !l_6;
if l_7 {
break;
}
let l_8 = buffer_0_global[l_mut_5];
let l_9 = buffer_0_global[l_mut_5];
let l_10 = l_8 * l_9;
l_mut_2 = l_mut_2 + l_10;
let l_11 = info.scalars_u32[2] * u32(256);
l_mut_5 = l_mut_5 + l_11;
}
workgroupBarrier();
shared_memory_1[local_idx] = l_mut_2;
workgroupBarrier();
let l_12 = workgroup_size_no_axis / u32(2);
l_mut_13 = l_12;
loop {
let l_14 = l_mut_13 > u32(0);
let l_15 = !l_14;
if l_15 {
break;
}
let l_16 = local_idx < l_mut_13;
if l_16 {
let l_17 = local_idx + l_mut_13;
let l_18 = shared_memory_1[l_17];
let l_19 = shared_memory_1[local_idx];
let l_20 = l_19 + l_18;
shared_memory_1[local_idx] = l_20;
}
workgroupBarrier();
l_mut_13 = l_mut_13 / u32(2);
}
let l_21 = shared_memory_1[u32(0)];
let l_22 = local_idx == u32(0);
if l_22 {
let l_23 = info.scalars_u32[1] + workgroup_id_no_axis;
buffer_1_global[l_23] = l_21;
}
}
