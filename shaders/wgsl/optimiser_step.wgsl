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
   scalars_f32: array<f32, 8>,
   static_meta: array<u32, 10>,
}

@group(0)
@binding(5)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 8u;
const WORKGROUP_SIZE_Y = 4u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(8, 4, 1)
fn step(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = info.static_meta[u32(5)];
let l_1 = id < l_0;
if l_1 {
let l_2 = buffer_3_global[id];
let l_3 = buffer_4_global[u32(0)];
let l_4 = l_2 * l_3;
let l_5 = buffer_1_global[id];
let l_6 = l_5 * info.scalars_f32[0];
let l_7 = l_4 * info.scalars_f32[1];
let l_8 = l_6 + l_7;
let l_9 = buffer_2_global[id];
let l_10 = l_9 * info.scalars_f32[2];
let l_11 = l_4 * l_4;
let l_12 = l_11 * info.scalars_f32[3];
let l_13 = l_10 + l_12;
buffer_1_global[id] = l_8;
buffer_2_global[id] = l_13;
let l_14 = sqrt(l_13);
let l_15 = l_14 / info.scalars_f32[6];
let l_16 = l_15 + info.scalars_f32[7];
let l_17 = buffer_0_global[id];
let l_18 = l_17 * info.scalars_f32[4];
let l_19 = l_8 / l_16;
let l_20 = l_19 * info.scalars_f32[5];
let l_21 = l_18 - l_20;
buffer_0_global[id] = l_21;
}
}
