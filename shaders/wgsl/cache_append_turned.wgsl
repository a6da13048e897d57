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
let l_6 = l_5 % info.scalars_u32[5];
let l_7 = l_5 / info.scalars_u32[5];
let l_8 = l_7 * u32(2);
let l_9 = l_8 * info.scalars_u32[5];
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
let l_23 = l_4 * u32(2);
let l_24 = l_23 * info.scalars_u32[5];
let l_25 = l_24 + l_6;
let l_26 = buffer_3_global[l_25];
let l_27 = l_4 * u32(2);
let l_28 = l_27 * info.scalars_u32[5];
let l_29 = l_28 + info.scalars_u32[5];
let l_30 = l_29 + l_6;
let l_31 = buffer_3_global[l_30];
let l_32 = buffer_1_global[l_18];
let l_33 = l_32 * l_26;
let l_34 = l_18 + info.scalars_u32[5];
let l_35 = buffer_1_global[l_34];
let l_36 = l_35 * l_31;
let l_37 = l_33 - l_36;
buffer_5_global[l_22] = l_37;
let l_38 = l_22 + info.scalars_u32[5];
let l_39 = l_18 + info.scalars_u32[5];
let l_40 = buffer_1_global[l_39];
let l_41 = l_40 * l_26;
let l_42 = buffer_1_global[l_18];
let l_43 = l_42 * l_31;
let l_44 = l_41 + l_43;
buffer_5_global[l_38] = l_44;
let l_45 = buffer_2_global[l_18];
buffer_6_global[l_22] = l_45;
let l_46 = l_22 + info.scalars_u32[5];
let l_47 = l_18 + info.scalars_u32[5];
let l_48 = buffer_2_global[l_47];
buffer_6_global[l_46] = l_48;
} else {
let l_49 = l_0 + info.scalars_u32[4];
let l_50 = l_1 * l_49;
let l_51 = id < l_50;
if l_51 {
let l_52 = l_1 * l_0;
let l_53 = id - l_52;
let l_54 = l_53 / info.scalars_u32[4];
let l_55 = l_53 % info.scalars_u32[5];
let l_56 = l_53 / info.scalars_u32[5];
let l_57 = l_56 * u32(2);
let l_58 = l_57 * info.scalars_u32[5];
let l_59 = l_58 + l_55;
let l_60 = l_59 + info.scalars_u32[5];
let l_61 = l_54 * u32(2);
let l_62 = l_61 * info.scalars_u32[5];
let l_63 = l_62 + l_55;
let l_64 = buffer_3_global[l_63];
let l_65 = l_54 * u32(2);
let l_66 = l_65 * info.scalars_u32[5];
let l_67 = l_66 + info.scalars_u32[5];
let l_68 = l_67 + l_55;
let l_69 = buffer_3_global[l_68];
let l_70 = l_69 * f32(1.0);
let l_71 = buffer_0_global[l_59];
let l_72 = buffer_0_global[l_60];
let l_73 = l_71 * l_64;
let l_74 = l_72 * l_70;
let l_75 = l_73 - l_74;
buffer_0_global[l_59] = l_75;
let l_76 = l_72 * l_64;
let l_77 = l_71 * l_70;
let l_78 = l_76 + l_77;
buffer_0_global[l_60] = l_78;
}
}
}
