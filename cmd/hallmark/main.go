// Command hallmark finds out what a container image is made of, stamps it, and
// lets anyone check the stamp.
package main

func main() {}
