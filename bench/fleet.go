package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// nodesMax bounds the nodes of one store: what one machine may still say something about.
const nodesMax = 16

// A fleet is the nodes of one trial, all alike, and the store that they share.
type fleet struct {
	dir      string
	nodes    []*server
	database *database // nil where the store is an SQLite file
}

// serve starts so many nodes, at least one, on an empty store.
func (b *lab) serve(ctx context.Context, nodes int) (_ *fleet, err error) {
	f := &fleet{}
	defer func() {
		if err != nil {
			f.kill()
			b.remove(ctx, f)
		}
	}()
	if f.dir, err = os.MkdirTemp(b.dir, "store-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	place := filepath.Join(f.dir, "hookswitch.db")
	if b.postgres != nil {
		if f.database, err = b.postgres.create(ctx); err != nil {
			return nil, err
		}
		place = f.database.url
	}
	random := make([]byte, 24)
	rand.Read(random) // never fails: see crypto/rand
	key := hex.EncodeToString(random)
	for i := range max(1, nodes) {
		dir := filepath.Join(f.dir, fmt.Sprintf("node-%d", i+1))
		if err = os.Mkdir(dir, 0o750); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		node, err := newServer(ctx, b.binary, dir, place, key, b.options.serveArguments)
		if err != nil {
			return nil, err
		}
		f.nodes = append(f.nodes, node)
		if err := node.start(ctx); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// start starts the nodes again after they were killed, and waits until all are ready.
func (f *fleet) start(ctx context.Context) error {
	for _, node := range f.nodes {
		if err := node.launch(); err != nil {
			return err
		}
	}
	for _, node := range f.nodes {
		if err := node.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the nodes as an operator does, kill as a crash does, all at once.
func (f *fleet) stop() { f.end((*server).terminate) }
func (f *fleet) kill() { f.end((*server).crash) }

func (f *fleet) end(signal func(*server)) {
	for _, node := range f.nodes {
		if node.started() {
			signal(node)
		}
	}
	for _, node := range f.nodes {
		if node.started() {
			endProcess(node.cmd, drainMax)
		}
	}
}

// discard stops a fleet, without ceremony when the run was broken off, and removes its store.
func (b *lab) discard(ctx context.Context, f *fleet) {
	if ctx.Err() != nil {
		f.kill()
	} else {
		f.stop()
	}
	b.remove(ctx, f)
}

// remove deletes the store of a fleet that has ended. A PostgreSQL that was started for a run which was broken off is deleted whole.
func (b *lab) remove(ctx context.Context, f *fleet) {
	if f.database != nil && (ctx.Err() == nil || b.postgres.own == nil) {
		if err := f.database.drop(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "remove store: %v\n", err)
		}
	}
	if err := os.RemoveAll(f.dir); err != nil {
		fmt.Fprintf(os.Stderr, "remove store: %v\n", err)
	}
}

// subject is the fleet as what a trial loads.
func (f *fleet) subject() subject {
	s := subject{key: f.nodes[0].key, recorded: func(ctx context.Context) error { return f.recorded(ctx, "") }}
	for _, node := range f.nodes {
		s.addresses, s.pids = append(s.addresses, node.address), append(s.pids, node.pid())
	}
	if f.database != nil {
		s.bill = f.database.bill
	}
	return s
}

// webhook makes a webhook for a URL and returns its id.
func (f *fleet) webhook(ctx context.Context, url string, concurrency int) (string, error) {
	return f.nodes[0].webhook(ctx, url, concurrency)
}

// recorded waits until no delivery of a webhook, or of any where it is empty, is pending: the last outcome is on disk. The nodes
// share a store, so one of them knows.
func (f *fleet) recorded(ctx context.Context, webhook string) error {
	return f.nodes[0].recorded(ctx, webhook)
}

// bytes is the size of the store on disk.
func (f *fleet) bytes(ctx context.Context) (int64, error) {
	if f.database != nil {
		b, err := f.database.bill(ctx)
		return b.disk, err
	}
	return storeBytes(f.dir)
}

// storeBytes is the size of the SQLite files in a folder.
func storeBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".log" {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // a temporary file that is gone meanwhile
			return nil
		} else if err != nil {
			return err
		}
		sum += info.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure store in %s: %w", strconv.Quote(dir), err)
	}
	return sum, nil
}
