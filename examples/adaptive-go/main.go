package main

import policy "idlehost/sdk/go"

// A reactor module's main is never run: the policy is registered in init.
func init() { policy.Register(newAdaptive()) }

func main() {}
