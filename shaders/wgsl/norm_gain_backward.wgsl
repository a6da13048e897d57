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

struct info_st {
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 8>,
}

@group(0)
@binding(4)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 32u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(32, 1, 1)
fn gain_backward(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

var l_mut_7: f32;
let l_0 = info.static_meta[u32(7)];
let l_1 = id < l_0;
if l_1 {
let l_2 = id % info.scalars_u32[1];
let l_3 = id / info.scalars_u32[1];
let l_4 = l_3 * u32(64);
let l_5 = l_4 + u32(64);
let l_6 = min(l_5, info.scalars_u32[0]);
l_mut_7 = f32(0.0);

for (var l_mut_8: u32 = l_4; l_mut_8 < l_6; l_mut_8++) {
let l_9 = l_mut_8 * info.scalars_u32[1];
let l_10 = l_9 + l_2;
let l_11 = buffer_0_global[l_10];
let l_12 = buffer_1_global[l_10];
let l_13 = l_11 * l_12;
let l_14 = buffer_2_global[l_mut_8];
let l_15 = l_13 * l_14;
l_mut_7 = l_mut_7 + l_15;
}
buffer_3_global[id] = l_mut_7;
}
}
