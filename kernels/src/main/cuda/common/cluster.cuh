// Clusters of sm_90: the barrier of all threads, and shared memory of the other CTAs. One PTX instruction each.
#pragma once
#include <stdint.h>

__device__ __forceinline__ void clusterArrive() { asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"); }
__device__ __forceinline__ void clusterWait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
// The address of a CTA's shared memory as the whole cluster knows it.
__device__ __forceinline__ uint32_t peerAddress(uint32_t address, uint32_t rank) {
  uint32_t r;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(r) : "r"(address), "r"(rank));
  return r;
}
// A barrier of all threads of the cluster, behind which each sees what the others wrote.
__device__ __forceinline__ void clusterSync() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  clusterWait();
}
// What a CTA of the cluster has where this one has `mine` in its shared memory.
__device__ __forceinline__ uint32_t loadPeer(const uint32_t* mine, uint32_t rank) {
  uint32_t v;
  asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(v) : "r"(peerAddress((uint32_t)__cvta_generic_to_shared(mine), rank)) : "memory");
  return v;
}
__device__ __forceinline__ unsigned long long loadPeer(const unsigned long long* mine, uint32_t rank) {
  unsigned long long v;
  asm volatile("ld.shared::cluster.u64 %0, [%1];" : "=l"(v) : "r"(peerAddress((uint32_t)__cvta_generic_to_shared(mine), rank)) : "memory");
  return v;
}
// A store that counts its bytes on an mbarrier of the CTA that it goes to.
__device__ __forceinline__ void sendPeer(uint32_t to, float4 v, uint32_t bar) {
  asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1,%2,%3,%4}, [%5];"
               ::"r"(to), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w), "r"(bar) : "memory");
}
// No fence: says that something has been read, not that something has been written.
__device__ __forceinline__ void arrivePeer(uint32_t bar) { asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(bar) : "memory"); }
// A bulk copy to the same place of both blocks of a cluster, counted on the barrier at `bar` of each.
__device__ __forceinline__ void bulkCopyToPair(uint32_t dst, const void* src, uint32_t bytes, uint32_t bar) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], %4;"
               ::"r"(dst), "l"(src), "r"(bytes), "r"(bar), "h"((uint16_t)3) : "memory");
}
