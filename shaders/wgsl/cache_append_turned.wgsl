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
var<storage, read_write> buffer_4_global: array<i32>;

@group(0)
@binding(5)
var<storage, read_write> buffer_5_global: array<f32>;

@group(0)
@binding(6)
var<storage, read_write> buffer_6_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 6>,
   static_meta: array<u32, 14>,
}

@group(0)
@binding(7)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn append_turned(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = info.scalars_u32[3] / u32(2);
let l_1 = info.scalars_u32[0] * info.scalars_u32[1];
let l_2 = l_1 * l_0;
let l_3 = id < l_2;
if l_3 {
let l_4 = id / l_0;
let l_5 = id % l_0;
let l_6 = l_5 % info.scalars_u32[4];
let l_7 = l_5 / info.scalars_u32[4];
let l_8 = l_7 * u32(2);
let l_9 = l_8 * info.scalars_u32[4];
let l_10 = l_9 + l_6;
let l_11 = l_4 / info.scalars_u32[1];
let l_12 = info.scalars_u32[0] + l_11;
let l_13 = buffer_4_global[l_12];
let l_14 = u32(l_13);
let l_15 = l_4 % info.scalars_u32[1];
let l_16 = l_14 + l_15;
let l_17 = l_4 * info.scalars_u32[3];
let l_18 = l_17 + l_10;
let l_19 = l_11 * info.scalars_u32[2];
let l_20 = l_19 + l_16;
let l_21 = l_20 * info.scalars_u32[3];
let l_22 = l_21 + l_10;
let l_23 = l_4 * info.scalars_u32[4];
let l_24 = l_23 + l_6;
let l_25 = buffer_2_global[l_24];
let l_26 = l_4 * info.scalars_u32[4];
let l_27 = l_26 + l_6;
let l_28 = buffer_3_global[l_27];
let l_29 = buffer_0_global[l_18];
let l_30 = l_29 * l_25;
let l_31 = l_18 + info.scalars_u32[4];
let l_32 = buffer_0_global[l_31];
let l_33 = l_32 * l_28;
let l_34 = l_30 - l_33;
buffer_5_global[l_22] = l_34;
let l_35 = l_22 + info.scalars_u32[4];
let l_36 = l_18 + info.scalars_u32[4];
let l_37 = buffer_0_global[l_36];
let l_38 = l_37 * l_25;
let l_39 = buffer_0_global[l_18];
let l_40 = l_39 * l_28;
let l_41 = l_38 + l_40;
buffer_5_global[l_35] = l_41;
let l_42 = buffer_1_global[l_18];
buffer_6_global[l_22] = l_42;
let l_43 = l_22 + info.scalars_u32[4];
let l_44 = l_18 + info.scalars_u32[4];
let l_45 = buffer_1_global[l_44];
buffer_6_global[l_43] = l_45;
}
}
