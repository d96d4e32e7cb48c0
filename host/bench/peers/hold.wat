;; A policy that keeps every idle connection of a client for five seconds at a
;; time, so that it is asked every five seconds. Offsets are those of the byte
;; table in sdk/ABI.md.
(module
  (memory (export "memory") 1)

  (func (export "abi_version") (result i32) (i32.const 1))

  ;; The event: 512 bytes at address 1024. Without the gap histogram.
  (func (export "event_buffer") (result i64)
    (i64.const 0x00000200_00000400))

  ;; side: 0, accepted
  (func $client (result i32)
    (i32.eqz (i32.load8_u (i32.const 1030))))

  (func (export "on_accept") (result i64)
    (if (i32.eqz (call $client)) (then (return (i64.const 0))))
    ;; leases[5] and leases[6], idle and stream_idle: 1024 + 248 + 4*phase
    (i32.store (i32.const 1292) (i32.const 5000))
    (i32.store (i32.const 1296) (i32.const 5000))
    ;; action 0, the default; flag 2, leases were edited
    (i64.const 0x0000_02_00_00000000))

  (func (export "on_timeout") (result i64)
    (if (i32.and
          (call $client)
          ;; phase 5 or 6
          (i32.eq
            (i32.and (i32.add (i32.load8_u (i32.const 1029)) (i32.const 1)) (i32.const 0xfe))
            (i32.const 6)))
      ;; action 1, extend
      (then (return (i64.const 0x0000_00_01_00001388))))
    (i64.const 0)))
