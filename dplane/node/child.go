package node

import (
	"io"
	"sync"
	"time"

	"joconde/dplane"
	"joconde/record"
)

// frame is one frame that came.
type frame struct {
	kind    dplane.FrameKind
	payload []byte
}

// listen gives the frames of a stream, and is closed at its end. What reads
// ends with the stream, or when stop is closed and a frame comes.
func listen(from io.Reader, stop <-chan struct{}) <-chan frame {
	frames := make(chan frame)
	go func() {
		defer close(frames)
		for {
			kind, payload, err := dplane.ReadFrame(from)
			if err != nil {
				return
			}
			select {
			case frames <- frame{kind, payload}:
			case <-stop:
				return
			}
		}
	}()
	return frames
}

// child is the worker as its node has it.
type child struct {
	worker Worker
	frames <-chan frame
	in     *outbox
	stop   chan struct{}
	gone   chan struct{} // closed when it has exited and was reaped
	err    error         // of Wait; read after gone
	once   sync.Once
	left   leaving
}

// leaving is how a worker ended.
type leaving int

const (
	leftKilled leaving = iota // by its node
	leftDone                  // by itself, its work done
	leftDied                  // otherwise
)

func newChild(w Worker) *child {
	c := &child{worker: w, in: newOutbox(w.Stdin()), stop: make(chan struct{}), gone: make(chan struct{})}
	c.frames = listen(w.Stdout(), c.stop)
	go func() {
		c.err = w.Wait()
		close(c.gone)
	}()
	return c
}

func (c *child) tell(kind dplane.FrameKind, v any) { c.in.tell(kind, v) }

// end kills the worker, unless it has ended by itself, and returns when it is
// gone and reaped.
func (c *child) end() leaving {
	c.once.Do(func() {
		close(c.stop)
		select {
		case <-c.gone:
			c.left = leftDied
			if c.err == nil {
				c.left = leftDone
			}
		default:
			c.worker.Kill()
			<-c.gone
		}
		c.in.drop()
	})
	return c.left
}

// outbox writes frames in their order without ever keeping the node waiting:
// whoever does not read must not delay the end of a worker.
type outbox struct {
	mu    sync.Mutex
	cond  *sync.Cond
	queue []frame
	dead  bool // nobody reads any more
	wrote chan struct{}
}

func newOutbox(to io.Writer) *outbox {
	o := &outbox{wrote: make(chan struct{})}
	o.cond = sync.NewCond(&o.mu)
	go o.write(to)
	return o
}

// write ends with flush or with the reader.
func (o *outbox) write(to io.Writer) {
	defer close(o.wrote)
	for {
		o.mu.Lock()
		for len(o.queue) == 0 && !o.dead {
			o.cond.Wait()
		}
		if len(o.queue) == 0 {
			o.mu.Unlock()
			return
		}
		f := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		if dplane.WriteFrame(to, f.kind, f.payload) != nil {
			o.mu.Lock()
			o.queue, o.dead = nil, true
			o.mu.Unlock()
			return
		}
	}
}

func (o *outbox) send(kind dplane.FrameKind, payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.dead {
		o.queue = append(o.queue, frame{kind, payload})
		o.cond.Signal()
	}
}

func (o *outbox) tell(kind dplane.FrameKind, v any) {
	payload, err := record.Canonical(v)
	if err != nil {
		panic(err) // our own messages have a canonical form
	}
	o.send(kind, payload)
}

// drop ends the outbox with whatever is in it.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue, o.dead = nil, true
	o.cond.Signal()
}

// flush waits until all is written, but not for ever. Nothing is sent after it.
func (o *outbox) flush() {
	o.mu.Lock()
	o.dead = true
	o.cond.Signal()
	o.mu.Unlock()
	select {
	case <-o.wrote:
	case <-time.After(time.Minute):
	}
}
