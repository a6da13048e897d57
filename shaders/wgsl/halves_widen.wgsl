@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<u32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 4>,
}

@group(0)
@binding(2)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn widen(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = id * u32(2);
let l_1 = l_0 < info.scalars_u32[0];
if l_1 {
let l_2 = buffer_0_global[id];
let l_3 = l_2 & u32(65535);
let l_4 = l_3 & u32(32767);
let l_5 = f32(l_4);
let l_6 = l_5 * f32(5.960464477539063e-8);
let l_7 = l_4 << u32(13);
let l_8 = l_7 + u32(939524096);
let l_9 = bitcast<f32>(l_8);
let l_10 = l_4 < u32(1024);
let l_11 = select(l_9, l_6, l_10);
let l_12 = l_3 < u32(32768);
let l_13 = -l_11;
let l_14 = select(l_13, l_11, l_12);
buffer_1_global[l_0] = l_14;
let l_15 = l_0 + u32(1);
let l_16 = l_15 < info.scalars_u32[0];
if l_16 {
let l_17 = l_0 + u32(1);
let l_18 = l_2 >> u32(16);
let l_19 = l_18 & u32(32767);
let l_20 = f32(l_19);
let l_21 = l_20 * f32(5.960464477539063e-8);
let l_22 = l_19 << u32(13);
let l_23 = l_22 + u32(939524096);
let l_24 = bitcast<f32>(l_23);
let l_25 = l_19 < u32(1024);
let l_26 = select(l_24, l_21, l_25);
let l_27 = l_18 < u32(32768);
let l_28 = -l_26;
let l_29 = select(l_28, l_26, l_27);
buffer_1_global[l_17] = l_29;
}
}
}
