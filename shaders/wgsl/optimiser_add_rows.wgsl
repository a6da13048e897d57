@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<i32>;

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

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn add_rows_i_i32(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_15: f32;
var l_mut_3: u32;
let l_0 = info.static_meta[u32(4)];
let l_1 = workgroup_id_no_axis >= l_0;
if l_1 {
return;
}
let l_2 = buffer_1_global[workgroup_id_no_axis];
l_mut_3 = u32(0);
loop {
let l_4 = l_mut_3 < workgroup_id_no_axis;
let l_5 = buffer_1_global[l_mut_3];
let l_6 = l_5 != l_2;
let l_7 = l_4 && l_6;
let l_8 = !l_7;
if l_8 {
break;
}
l_mut_3 = l_mut_3 + u32(1);
}
let l_9 = l_mut_3 < workgroup_id_no_axis;
if l_9 {
return;
}
l_mut_3 = local_idx;
loop {
let l_10 = l_mut_3 < info.scalars_u32[0];
let l_11 = !l_10;
if l_11 {
break;
}
let l_12 = workgroup_id_no_axis * info.scalars_u32[0];
let l_13 = l_12 + l_mut_3;
let l_14 = buffer_0_global[l_13];
l_mut_15 = l_14;
let l_16 = workgroup_id_no_axis + u32(1);

for (var l_mut_17: u32 = l_16; l_mut_17 < l_0; l_mut_17++) {
let l_18 = buffer_1_global[l_mut_17];
let l_19 = l_18 == l_2;
if l_19 {
let l_20 = l_mut_15;
let l_21 = l_mut_17 * info.scalars_u32[0];
let l_22 = l_21 + l_mut_3;
let l_23 = buffer_0_global[l_22];
let l_24 = l_20 + l_23;
l_mut_15 = l_24;
}
}
let l_25 = u32(l_2);
let l_26 = l_25 * info.scalars_u32[0];
let l_27 = l_26 + l_mut_3;
let l_28 = l_mut_15;
buffer_2_global[l_27] = l_28;
l_mut_3 = l_mut_3 + u32(128);
}
}
