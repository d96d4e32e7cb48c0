;; The smallest policy by hand: a quiet connection may stay for five seconds,
;; or for a minute once it has carried ten requests. Offsets are those of the
;; byte table in sdk/ABI.md.
(module
  (memory (export "memory") 1)

  (func (export "abi_version") (result i32) (i32.const 1))

  ;; The event: 512 bytes at address 1024. Without the gap histogram.
  (func (export "event_buffer") (result i64)
    (i64.const 0x00000200_00000400))

  (func (export "on_accept") (result i64)
    ;; leases[5], the idle phase: 1024 + 248 + 4*5
    (i32.store (i32.const 1292) (i32.const 5000))
    ;; action 0, the default; flag 2, leases were edited
    (i64.const 0x0000_02_00_00000000))

  (func (export "on_timeout") (result i64)
    (if (i32.and
          (i32.and
            (i32.eq (i32.load8_u (i32.const 1029)) (i32.const 5))         ;; phase: idle
            (i32.ge_u (i32.load (i32.const 1112)) (i32.const 10)))        ;; requests
          (i32.lt_u (i32.load (i32.const 1088)) (i32.const 60000)))       ;; idle_ms
      (then
        ;; action 1, extend, until one minute of idleness is full
        (return (i64.or
          (i64.const 0x0000_00_01_00000000)
          (i64.extend_i32_u
            (i32.sub (i32.const 60000) (i32.load (i32.const 1088))))))))
    (i64.const 0)))
