package ir

// Validate says what is wrong with the structure of a program, if anything.
func (p *Program) Validate() error { return p.ProveDivisors() }
