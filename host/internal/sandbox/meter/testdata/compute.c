// A tight loop: CRC-32 of a buffer, then a sort of it.
#define EXPORT(name) __attribute__((export_name(#name)))
typedef unsigned int u32;
static u32 table[256], data[512];

EXPORT(prepare) void prepare(void) {
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
}

EXPORT(crc) u32 crc(u32 seed) {
    for (u32 i = 0; i < 512; i++) data[i] = seed = seed * 1664525u + 1013904223u;
    u32 c = ~0u;
    const unsigned char *p = (const unsigned char *)data;
    for (u32 i = 0; i < sizeof data; i++) c = table[(c ^ p[i]) & 255] ^ (c >> 8);
    return ~c;
}

EXPORT(sort) u32 sort(u32 seed) {
    for (u32 i = 0; i < 512; i++) data[i] = seed = seed * 1664525u + 1013904223u;
    for (u32 gap = 256; gap > 0; gap /= 2)
        for (u32 i = gap; i < 512; i++) {
            u32 v = data[i], j = i;
            for (; j >= gap && data[j - gap] > v; j -= gap) data[j] = data[j - gap];
            data[j] = v;
        }
    return data[0] ^ data[511];
}

EXPORT(fib) u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
EXPORT(add) u32 add(u32 n) { u32 s = 0; for (u32 i = 0; i < n; i++) { s += i * i; __asm__ volatile("" : "+r"(s)); } return s; }
