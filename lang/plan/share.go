package plan

// share makes equal nodes one. The names of columns do not count, except that
// a granted node keeps its own.
func share(g *graph) {
	number := map[*node]int{}
	first := map[string]*node{} // by what is computed
	named := map[string]*node{} // granted nodes, by what is computed and names
	granted := g.granted()
	kept := map[*node]*node{}
	list := g.order()

	// A class with a granted member is represented by the first of them, so
	// that nothing is computed once for the grant and once for other nodes.
	classOf := map[*node]string{}
	for _, n := range list {
		inputs := make([]int, len(n.in))
		for i, in := range n.in {
			inputs[i] = number[in]
		}
		class := key(n, inputs)
		classOf[n] = class
		if other, found := first[class]; found {
			number[n] = number[other]
		} else {
			number[n] = len(first)
			first[class] = n
		}
	}
	for _, n := range list {
		if !granted[n] {
			continue
		}
		class := classOf[n]
		if !granted[first[class]] {
			first[class] = n
		}
		if _, found := named[class+names(n)]; !found {
			named[class+names(n)] = n
		}
	}
	for _, n := range list {
		kept[n] = first[classOf[n]]
		if granted[n] {
			kept[n] = named[classOf[n]+names(n)]
		}
	}
	for _, n := range list {
		for i, in := range n.in {
			// Inputs are chosen by class alone: a second name is for the grant only.
			n.in[i] = first[classOf[in]]
		}
	}
	for i, out := range g.outputs {
		g.outputs[i].node = kept[out.node]
	}
}
