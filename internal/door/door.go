// Package door is what stands between the network and the planes of the hub:
// one form of API, one form of error, limits on size, time and rate. It is
// trusted with nothing: what matters is signed, and judged behind the door.
// Start with New; the other side of the door is Caller.
package door

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"

	"joconde"
)

// Limits of the door. The planes have their own, of what they keep.
const (
	MaxRequest  = 2 << 20          // bytes of a body that is not declared larger
	ReadTimeout = 30 * time.Second // for a body
	MaxWait     = 60 * time.Second // longest a request may wait for news

	maxClients = 10_000 // addresses whose rate is remembered
)

// Envelope carries a signed record.
type Envelope struct {
	Envelope []byte `json:"envelope" doc:"a DSSE envelope in its canonical form"`
}

// Door is an API and the server side of it.
type Door struct {
	API     huma.API
	mux     *http.ServeMux
	clients clients
}

// New makes a door through which each address gets so many requests a second
// on average, and twice as many at once.
func New(perSecond int) *Door {
	useOurForms()
	d := &Door{mux: http.NewServeMux(), clients: clients{perSecond: perSecond, known: map[netip.Prefix]*rate.Limiter{}}}
	d.API = humago.New(d.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "joconde hub", Version: "1",
				Description: "Management plane (/m), control plane (/c). Records are signed by the parties; nothing here is believed because the hub says it."},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
	d.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		text, err := d.OpenAPI()
		if err != nil {
			write(w, Reject(http.StatusInternalServerError, internal(err)))
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
		_, _ = w.Write(text) // whoever asked may be gone
	})
	d.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, Reject(http.StatusNotFound, &joconde.Problem{Code: "JOC-H002", What: "the hub has nothing under this address and method", Where: "address",
			Why: "the API is the one in /openapi.json", Do: "check the address; a newer tool may speak to an older hub"}))
	})
	return d
}

// OpenAPI is the description of the API: its bytes are the same every time.
func (d *Door) OpenAPI() ([]byte, error) {
	text, err := json.MarshalIndent(d.API.OpenAPI(), "", "  ")
	return append(text, '\n'), err
}

func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if fault := recover(); fault != nil {
			if fault == http.ErrAbortHandler {
				panic(fault)
			}
			// A bug of ours ends one request, and is told to the operator.
			write(w, Reject(http.StatusInternalServerError, internal(errPanic)))
		}
	}()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !d.clients.allow(r.RemoteAddr) {
		w.Header().Set("Retry-After", "1")
		write(w, Busy("JOC-H008", "too many requests from one address"))
		return
	}
	d.mux.ServeHTTP(w, r)
}

var errPanic = errors.New("a handler has panicked")

// clients remembers how fast addresses ask.
type clients struct {
	perSecond int
	mutex     sync.Mutex
	known     map[netip.Prefix]*rate.Limiter
}

func (c *clients) allow(remote string) bool {
	network := networkOf(remote)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	l := c.known[network]
	if l == nil {
		if len(c.known) >= maxClients {
			clear(c.known) // forgetting is kinder than refusing whoever comes next
		}
		l = rate.NewLimiter(rate.Limit(c.perSecond), 2*c.perSecond)
		c.known[network] = l
	}
	return l.Allow()
}

// networkOf is what one client can be expected to have only one of: an IPv4
// address, or a /64 of IPv6.
func networkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
