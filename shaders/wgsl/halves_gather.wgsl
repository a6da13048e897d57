@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<u32>;

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
fn gather_i_i32(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = id < info.scalars_u32[0];
if l_0 {
let l_1 = id / info.scalars_u32[1];
let l_2 = buffer_1_global[l_1];
let l_3 = u32(l_2);
let l_4 = l_3 * info.scalars_u32[2];
let l_5 = id % info.scalars_u32[1];
let l_6 = l_4 + l_5;
let l_7 = l_6 / u32(2);
let l_8 = buffer_0_global[l_7];
let l_9 = l_6 % u32(2);
let l_10 = l_9 == u32(0);
let l_11 = l_8 & u32(65535);
let l_12 = l_8 >> u32(16);
let l_13 = select(l_12, l_11, l_10);
let l_14 = l_13 & u32(32767);
let l_15 = f32(l_14);
let l_16 = l_15 * f32(5.960464477539063e-8);
let l_17 = l_14 << u32(13);
let l_18 = l_17 + u32(939524096);
let l_19 = bitcast<f32>(l_18);
let l_20 = l_14 < u32(1024);
let l_21 = select(l_19, l_16, l_20);
let l_22 = l_13 < u32(32768);
let l_23 = -l_21;
let l_24 = select(l_23, l_21, l_22);
buffer_2_global[id] = l_24;
}
}
