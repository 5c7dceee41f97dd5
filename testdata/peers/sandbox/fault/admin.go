package fault

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Admin lets tests switch the fronts by name:
//
//	GET    /faults              the state of all, as JSON
//	POST   /faults/NAME?mode=…  the front goes wrong from now on; see Parse
//	DELETE /faults              all are healed and their requests forgotten
//	DELETE /faults/NAME         that one
//	GET    /requests/NAME       what was asked, one request a line
func Admin(fronts map[string]*Front) http.Handler {
	mux := http.NewServeMux()
	named := func(h func(http.ResponseWriter, *http.Request, *Front)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			f, ok := fronts[r.PathValue("name")]
			if !ok {
				http.Error(w, fmt.Sprintf("there is no service %q", r.PathValue("name")), http.StatusNotFound)
				return
			}
			h(w, r, f)
		}
	}
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		all := make(map[string]State)
		for name, f := range fronts {
			all[name] = f.State()
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(all)
	})
	mux.HandleFunc("POST /faults/{name}", named(func(w http.ResponseWriter, r *http.Request, f *Front) {
		x, err := Parse(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.Set(x)
	}))
	heal := func(f *Front) {
		f.Set(Fault{})
		f.Clear()
	}
	mux.HandleFunc("DELETE /faults", func(http.ResponseWriter, *http.Request) {
		for _, f := range fronts {
			heal(f)
		}
	})
	mux.HandleFunc("DELETE /faults/{name}", named(func(_ http.ResponseWriter, _ *http.Request, f *Front) { heal(f) }))
	mux.HandleFunc("GET /requests/{name}", named(func(w http.ResponseWriter, _ *http.Request, f *Front) {
		for _, line := range f.Requests() {
			fmt.Fprintln(w, line)
		}
	}))
	return mux
}
