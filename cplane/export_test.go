package cplane

// WaitingNow is how many wait for news.
func (c *Coordinator) WaitingNow() int { return len(c.places) }
