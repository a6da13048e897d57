@group(0)
@binding(0)
var<storage, read_write> buffer_0_global: array<f32>;

@group(0)
@binding(1)
var<storage, read_write> buffer_1_global: array<f32>;

struct info_st {
   static_meta: array<u32, 4>,
}

@group(0)
@binding(2)
var<storage, read> info: info_st;

const WORKGROUP_SIZE_X = 32u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(32, 1, 1)
fn sum_of_chunks(
    @builtin(global_invocation_id) global_id: vec3<u32>,
    @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
let id = (u32(global_id.z) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X) * u32(num_workgroups.y) * u32(WORKGROUP_SIZE_Y)) + (u32(global_id.y) * u32(num_workgroups.x) * u32(WORKGROUP_SIZE_X)) + u32(global_id.x);

var l_mut_2: f32;
var l_mut_3: u32;
let l_0 = info.static_meta[u32(3)];
let l_1 = id < l_0;
if l_1 {
l_mut_2 = f32(0.0);
l_mut_3 = id;
loop {
let l_4 = info.static_meta[u32(2)];
let l_5 = l_mut_3 < l_4;
let l_6 = !l_5;
if l_6 {
break;
}
let l_7 = buffer_0_global[l_mut_3];
l_mut_2 = l_mut_2 + l_7;
let l_8 = info.static_meta[u32(3)];
l_mut_3 = l_mut_3 + l_8;
}
buffer_1_global[id] = l_mut_2;
}
}
