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
fn rotate(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

let l_0 = info.scalars_u32[0] * info.scalars_u32[1];
let l_1 = id < l_0;
if l_1 {
let l_2 = id / info.scalars_u32[1];
let l_3 = id % info.scalars_u32[3];
let l_4 = id / info.scalars_u32[3];
let l_5 = l_4 * u32(2);
let l_6 = l_5 * info.scalars_u32[3];
let l_7 = l_6 + l_3;
let l_8 = l_7 + info.scalars_u32[3];
let l_9 = l_2 * u32(2);
let l_10 = l_9 * info.scalars_u32[3];
let l_11 = l_10 + l_3;
let l_12 = buffer_2_global[l_11];
let l_13 = l_2 * u32(2);
let l_14 = l_13 * info.scalars_u32[3];
let l_15 = l_14 + info.scalars_u32[3];
let l_16 = l_15 + l_3;
let l_17 = buffer_2_global[l_16];
let l_18 = l_17 * info.scalars_f32[0];
let l_19 = buffer_0_global[l_7];
let l_20 = buffer_0_global[l_8];
let l_21 = l_19 * l_12;
let l_22 = l_20 * l_18;
let l_23 = l_21 - l_22;
buffer_0_global[l_7] = l_23;
let l_24 = l_20 * l_12;
let l_25 = l_19 * l_18;
let l_26 = l_24 + l_25;
buffer_0_global[l_8] = l_26;
} else {
let l_27 = info.scalars_u32[0] * info.scalars_u32[2];
let l_28 = l_0 + l_27;
let l_29 = id < l_28;
if l_29 {
let l_30 = id - l_0;
let l_31 = l_30 / info.scalars_u32[2];
let l_32 = l_30 % info.scalars_u32[3];
let l_33 = l_30 / info.scalars_u32[3];
let l_34 = l_33 * u32(2);
let l_35 = l_34 * info.scalars_u32[3];
let l_36 = l_35 + l_32;
let l_37 = l_36 + info.scalars_u32[3];
let l_38 = l_31 * u32(2);
let l_39 = l_38 * info.scalars_u32[3];
let l_40 = l_39 + l_32;
let l_41 = buffer_2_global[l_40];
let l_42 = l_31 * u32(2);
let l_43 = l_42 * info.scalars_u32[3];
let l_44 = l_43 + info.scalars_u32[3];
let l_45 = l_44 + l_32;
let l_46 = buffer_2_global[l_45];
let l_47 = l_46 * info.scalars_f32[0];
let l_48 = buffer_1_global[l_36];
let l_49 = buffer_1_global[l_37];
let l_50 = l_48 * l_41;
let l_51 = l_49 * l_47;
let l_52 = l_50 - l_51;
buffer_1_global[l_36] = l_52;
let l_53 = l_49 * l_41;
let l_54 = l_48 * l_47;
let l_55 = l_53 + l_54;
buffer_1_global[l_37] = l_55;
}
}
}
