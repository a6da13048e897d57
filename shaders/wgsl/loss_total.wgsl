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

var<workgroup> shared_memory_0: array<f32, 256>;

const WORKGROUP_SIZE_X = 256u;
const WORKGROUP_SIZE_Y = 1u;
const WORKGROUP_SIZE_Z = 1u;

@compute
@workgroup_size(256, 1, 1)
fn total(
    @builtin(local_invocation_index) local_idx: u32,
) {
let workgroup_size_no_axis = WORKGROUP_SIZE_X * WORKGROUP_SIZE_Y * WORKGROUP_SIZE_Z;
var l_mut_11: u32;
var l_mut_1: f32;
var l_mut_2: u32;
l_mut_1 = f32(0.0);
l_mut_2 = local_idx;
loop {
let l_3 = info.static_meta[u32(2)];
let l_4 = l_mut_2 < l_3;
let l_5 = !l_4;
if l_5 {
break;
}
let l_6 = l_mut_1;
let l_7 = buffer_0_global[l_mut_2];
let l_8 = l_6 + l_7;
l_mut_1 = l_8;
l_mut_2 = l_mut_2 + u32(256);
}
let l_9 = l_mut_1;
workgroupBarrier();
shared_memory_0[local_idx] = l_9;
workgroupBarrier();
let l_10 = workgroup_size_no_axis / u32(2);
l_mut_11 = l_10;
loop {
let l_12 = l_mut_11 > u32(0);
let l_13 = !l_12;
if l_13 {
break;
}
let l_14 = local_idx < l_mut_11;
if l_14 {
let l_15 = local_idx + l_mut_11;
let l_16 = shared_memory_0[l_15];
let l_17 = shared_memory_0[local_idx];
let l_18 = l_17 + l_16;
shared_memory_0[local_idx] = l_18;
}
workgroupBarrier();
l_mut_11 = l_mut_11 / u32(2);
}
let l_19 = shared_memory_0[u32(0)];
let l_20 = local_idx == u32(0);
if l_20 {
buffer_1_global[u32(0)] = l_19;
}
}
