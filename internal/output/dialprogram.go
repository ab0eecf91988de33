// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"sampan/internal/run"
)

// programConn is a connection through the stdin and stdout of a program, as `docker system dial-stdio` gives one.
type programConn struct {
	in    *io.PipeReader // what the program says
	out   *io.PipeWriter // what it is told
	close context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

// dialProgram starts the program. That it fails shows when the connection is read.
func dialProgram(ctx context.Context, m Machine, name string, args []string) net.Conn {
	// A connection outlives the request that opened it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fromProgram, toUs := io.Pipe()
	toProgram, fromUs := io.Pipe()
	c := &programConn{in: fromProgram, out: fromUs, close: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		// In the foreground, so that ssh may ask for a password on the terminal.
		err := m.Runner.Run(ctx, run.Cmd{Path: name, Args: args, Env: m.Env, Stdin: toProgram, Stdout: toUs, Stderr: writeFunc(c.hear), Foreground: true})
		why := c.why(name, err)
		_ = toProgram.CloseWithError(why) // who is still telling it something hears the reason too
		_ = toUs.CloseWithError(why)
	}()
	return c
}

// hear keeps the beginning of what the program complains of.
func (c *programConn) hear(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := 4<<10 - c.stderr.Len(); room > 0 {
		c.stderr.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (c *programConn) why(name string, err error) error {
	if err == nil {
		return io.EOF
	}
	if missing(err) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := foreign(c.stderr.String()); text != "" {
		return errors.New(name + ": " + text)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (c *programConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *programConn) Write(p []byte) (int, error) { return c.out.Write(p) }

// Close ends the program.
func (c *programConn) Close() error {
	_ = c.out.Close()
	c.close()
	<-c.ended
	return c.in.Close()
}

func (c *programConn) LocalAddr() net.Addr  { return programAddr{} }
func (c *programConn) RemoteAddr() net.Addr { return programAddr{} }

// Deadlines are not kept: every request has a context, whose end closes the connection.
func (c *programConn) SetDeadline(time.Time) error      { return nil }
func (c *programConn) SetReadDeadline(time.Time) error  { return nil }
func (c *programConn) SetWriteDeadline(time.Time) error { return nil }

type programAddr struct{}

func (programAddr) Network() string { return "program" }
func (programAddr) String() string  { return "program" }

// writeFunc is a function that is an io.Writer.
type writeFunc func(p []byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }
