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
   scalars_u32: array<u32, 4>,
   static_meta: array<u32, 6>,
}

@group(0)
@binding(3)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn append(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = info.static_meta[u32(3)];
let l_1 = id < l_0;
if l_1 {
let l_2 = id / info.scalars_u32[1];
let l_3 = info.scalars_u32[0] + l_2;
let l_4 = buffer_1_global[l_3];
let l_5 = u32(l_4);
let l_6 = l_2 * info.scalars_u32[2];
let l_7 = l_5 * info.scalars_u32[3];
let l_8 = l_6 + l_7;
let l_9 = id % info.scalars_u32[1];
let l_10 = l_8 + l_9;
let l_11 = buffer_0_global[id];
buffer_2_global[l_10] = l_11;
}
}
