// Command peers runs every command of hallmark against real registries, each on
// the loopback interface and stopped at the end, checks with the real cosign 2
// what cosign is to see, and prints a table. It is a module of its own, so that
// the registries are none of hallmark's dependencies.
//
// With -serve NAME it starts one of the registries instead, prints its host and
// serves until its standard input ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to test")
	cache := flag.String("cache", "", "folder that keeps the peers")
	serve := flag.String("serve", "", "start the registry of this name and do nothing else")
	writers := flag.Int("writers", 16, "processes that sign one image at once")
	rounds := flag.Int("rounds", 3, "how often they do")
	only := flag.String("only", "", "only registries whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *serve != "" {
		err = serveOne(ctx, *serve, *cache)
	} else {
		err = run(ctx, *hallmark, *cache, *only, *writers, *rounds)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func serveOne(ctx context.Context, name, cache string) error {
	for _, s := range servers() {
		if s.name != name {
			continue
		}
		r, err := s.start(ctx, cache)
		if err != nil {
			return err
		}
		defer r.Close()
		fmt.Println(r.Host)
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}
	return fmt.Errorf("no registry is called %q", name)
}

func run(ctx context.Context, hallmark, cache, only string, writers, rounds int) error {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Minute)
	defer cancel()
	s, err := newSuite(ctx, hallmark, cache, max(writers, 4))
	if err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.writers, s.rounds = writers, rounds
	var names []string
	var columns [][]string
	var errs []error
	for _, srv := range servers() {
		if !strings.Contains(srv.name, only) {
			continue
		}
		start := time.Now()
		cells, err := s.measure(ctx, srv, cache)
		if err != nil {
			errs = append(errs, err)
		}
		fmt.Printf("%s: %d verbs in %.1f s\n", srv.name, len(cells), time.Since(start).Seconds())
		names, columns = append(names, srv.name), append(columns, cells)
	}
	fmt.Printf("\n| verb | %s |\n| --- |%s\n", strings.Join(names, " | "), strings.Repeat(" --- |", len(names)))
	for i, v := range verbs() {
		fmt.Printf("| %s |", v.name)
		for _, cells := range columns {
			fmt.Printf(" %s |", cells[i])
		}
		fmt.Println()
	}
	return errors.Join(errs...)
}
