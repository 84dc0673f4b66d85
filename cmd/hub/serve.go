package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"joconde"
	"joconde/audit/tlog"
	"joconde/cplane"
	"joconde/internal/door"
	"joconde/mplane"
	"joconde/store/bolt"
)

// Times of the server. Writing may take as long as the longest wait for news
// and the answer after it.
const (
	headerTime = 10 * time.Second
	readTime   = 60 * time.Second
	writeTime  = door.MaxWait + 60*time.Second
	idleTime   = 2 * time.Minute
	graceTime  = 10 * time.Second
	headerSize = 16 << 10
)

// serve is the life of a hub: open what is kept, replay the log, answer until
// ctx ends, close.
func serve(ctx context.Context, c *config, stdout io.Writer) (err error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return unusable("JOC-H308", "the data folder cannot be made", c.Data, rootOf(err), "check the path and its permissions", err)
	}
	private, err := logKey(c.Data)
	if err != nil {
		return err
	}
	// What is under way when ctx ends is still answered: the planes live on
	// until the server has stopped.
	life := context.WithoutCancel(ctx)
	log, err := tlog.Open(life, filepath.Join(c.Data, "log"), private)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	kept, err := bolt.Open(filepath.Join(c.Data, "hub.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	began := time.Now()
	coordinator, err := cplane.Open(life, log, kept, cplane.Limits{Tasks: c.Tasks, Output: c.OutputBytes, Mailbox: c.MailboxBytes, Waiting: c.Waiting})
	if err != nil {
		return err
	}
	directory, err := mplane.Open(life, kept, c.Organisations)
	if err != nil {
		return err
	}
	slog.Info("the log is replayed", "tasks", len(coordinator.Tasks("")), "organisations", len(directory.List()), "seconds", time.Since(began).Seconds())
	d := planes(c.RequestsPerSecond, &mplane.Proposals{Directory: directory, Coordinator: proposals{coordinator}, LogKey: log.Verifier()}, coordinator)

	listener, address, err := listen(ctx, c)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: d, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerSize, ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if _, err := fmt.Fprintf(stdout, "hub %s %s\n", address, log.Verifier()); err != nil {
		slog.Warn("nobody reads the address", "cause", err)
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	slog.Info("stopping", "refused", coordinator.Refused())
	coordinator.Close()
	grace, cancel := context.WithTimeout(life, graceTime)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close() // who is still talking now is too slow
	}
	<-ended
	return nil
}

// planes puts both planes behind one door.
func planes(perSecond int, m *mplane.Proposals, c *cplane.Coordinator) *door.Door {
	d := door.New(perSecond)
	m.Serve(d, version())
	c.Serve(d)
	return d
}

// listen gives the listener and the URL that people use.
func listen(ctx context.Context, c *config) (net.Listener, string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, "", unusable("JOC-H309", "the hub cannot listen there", c.Listen, rootOf(err), "choose a free port, or stop whoever has it", err)
	}
	address := "http://" + listener.Addr().String()
	if c.TLS == nil {
		return listener, address, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		_ = listener.Close()
		return nil, "", unusable("JOC-H310", "the certificate or its key cannot be used", c.TLS.Certificate, "they are not PEM files, or do not belong together", "check both files", err)
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}),
		"https://" + listener.Addr().String(), nil
}

// proposals is where the two planes meet.
type proposals struct{ *cplane.Coordinator }

func (p proposals) Tasks(party joconde.PartyID) []mplane.Summary {
	var out []mplane.Summary
	for _, s := range p.Coordinator.Tasks(party) {
		out = append(out, mplane.Summary(s))
	}
	return out
}

// version is that of the module, as the go tool recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
