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
var<storage, read_write> buffer_3_global: array<i32>;

@group(0)
@binding(4)
var<storage, read_write> buffer_4_global: array<f32>;

struct info_st {
   scalars_u32: array<u32, 2>,
   static_meta: array<u32, 10>,
}

@group(0)
@binding(5)
var<storage, read> info: info_st;

var<workgroup> shared_memory_0: array<f32, 128>;

const WORKGROUP_SIZE_X = 128u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(128, 1, 1)
fn row_sums_i_i32(
    @builtin(local_invocation_index) local_idx: u32,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
    @builtin(workgroup_id) workgroup_id: vec3<u32>,
) {
let workgroup_id_no_axis = (u32(num_workgroups.y) * u32(num_workgroups.x) * u32(workgroup_id.z)) + (u32(num_workgroups.x) * u32(workgroup_id.y)) + u32(workgroup_id.x);
var l_mut_5: f32;
let l_1 = local_idx / u32(4);
let l_2 = local_idx % u32(4);
let l_3 = workgroup_id_no_axis * u32(32);
let l_4 = l_3 + l_1;
l_mut_5 = f32(0.0);
let l_6 = info.static_meta[u32(7)];
let l_7 = l_4 < l_6;
if l_7 {

for (var l_mut_8: u32 = u32(0); l_mut_8 < u32(2); l_mut_8++) {
let l_9 = l_mut_8 * u32(4);
let l_10 = l_9 + l_2;
let l_11 = l_10 < u32(8);
if l_11 {
let l_12 = l_4 * u32(8);
let l_13 = l_12 + l_10;
let l_14 = buffer_0_global[l_13];
let l_15 = l_4 * u32(8);
let l_16 = l_15 + l_10;
let l_17 = buffer_1_global[l_16];
let l_18 = l_14 * l_17;
l_mut_5 = l_mut_5 + l_18;
}
}
}
shared_memory_0[local_idx] = l_mut_5;
workgroupBarrier();
let l_19 = l_2 == u32(0);
let l_20 = info.static_meta[u32(7)];
let l_21 = l_4 < l_20;
let l_22 = l_19 && l_21;
if l_22 {
let l_23 = l_4 / info.scalars_u32[1];
let l_24 = l_4 % info.scalars_u32[1];
let l_25 = l_23 / info.scalars_u32[0];
let l_26 = l_25 * info.scalars_u32[1];
let l_27 = l_26 + l_24;
let l_28 = l_27 * info.scalars_u32[0];
let l_29 = l_23 % info.scalars_u32[0];
let l_30 = l_28 + l_29;
let l_31 = buffer_2_global[l_30];
buffer_4_global[l_30] = l_31;
let l_32 = info.static_meta[u32(7)];
let l_33 = l_32 + l_30;
l_mut_5 = f32(0.0);
let l_34 = l_1 * u32(4);
let l_35 = l_34 + u32(0);
let l_36 = shared_memory_0[l_35];
l_mut_5 = l_mut_5 + l_36;
let l_37 = l_1 * u32(4);
let l_38 = l_37 + u32(1);
let l_39 = shared_memory_0[l_38];
l_mut_5 = l_mut_5 + l_39;
let l_40 = l_1 * u32(4);
let l_41 = l_40 + u32(2);
let l_42 = shared_memory_0[l_41];
l_mut_5 = l_mut_5 + l_42;
let l_43 = l_1 * u32(4);
let l_44 = l_43 + u32(3);
let l_45 = shared_memory_0[l_44];
l_mut_5 = l_mut_5 + l_45;
buffer_4_global[l_33] = l_mut_5;
}
let l_46 = l_2 == u32(0);
let l_47 = info.static_meta[u32(8)];
let l_48 = l_47 / u32(2);
let l_49 = l_4 < l_48;
let l_50 = l_46 && l_49;
if l_50 {
let l_51 = info.static_meta[u32(7)];
let l_52 = u32(2) * l_51;
let l_53 = l_52 + l_4;
let l_54 = buffer_3_global[l_4];
let l_55 = f32(l_54);
buffer_4_global[l_53] = l_55;
let l_56 = info.static_meta[u32(7)];
let l_57 = u32(2) * l_56;
let l_58 = info.static_meta[u32(8)];
let l_59 = l_58 / u32(2);
let l_60 = l_57 + l_59;
let l_61 = l_60 + l_4;
let l_62 = info.static_meta[u32(8)];
let l_63 = l_62 / u32(2);
let l_64 = l_63 + l_4;
let l_65 = buffer_3_global[l_64];
let l_66 = f32(l_65);
buffer_4_global[l_61] = l_66;
}
}
