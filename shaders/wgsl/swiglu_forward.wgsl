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
   static_meta: array<u32, 6>,
}

@group(0)
@binding(3)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 8u;
const WORKGROUP_SIZE_Y = 8u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(8, 8, 1)
fn forward(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = info.static_meta[u32(5)];
let l_1 = id < l_0;
if l_1 {
let l_2 = buffer_0_global[id];
let l_3 = abs(l_2);
let l_4 = -l_3;
let l_5 = exp(l_4);
let l_6 = f32(1.0) + l_5;
let l_7 = f32(1.0) / l_6;
let l_8 = l_2 < f32(0.0);
let l_9 = l_5 * l_7;
let l_10 = select(l_7, l_9, l_8);
let l_11 = l_2 * l_10;
let l_12 = buffer_1_global[id];
let l_13 = l_11 * l_12;
buffer_2_global[id] = l_13;
}
}
