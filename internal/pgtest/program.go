package pgtest

import (
	"errors"
	"fmt"
	"os"
)

// New starts a server for a program that is no test, such as the benchmark, in a folder of its own. The program ends it with
// Close; if it cannot, the server still ends with the process, and the next process that uses this package deletes the folder.
func New(options ...Option) (*Server, error) {
	g, err := newGround()
	if err != nil {
		return nil, err
	}
	server, err := g.newServer(options)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(g.folder))
	}
	server.alone = true
	if err := server.begin(choosePort); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

// Close stops the server, whoever is still connected, and deletes what it kept. It may be called again.
func (s *Server) Close() error {
	err := s.remove()
	if s.alone {
		err = errors.Join(err, os.RemoveAll(s.ground.folder))
	}
	if err != nil {
		return fmt.Errorf("close PostgreSQL: %w", err)
	}
	return nil
}
