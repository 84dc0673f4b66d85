package session

import "testing"

func TestTheOriginOfAStallIsFoundInTheClaims(t *testing.T) {
	cases := map[string]struct {
		claims        map[int]claim
		first, origin int
	}{
		"only we wait":                            {map[int]claim{0: {1, 5}}, 0, 1},
		"who we wait for waits for another":       {map[int]claim{0: {1, 5}, 1: {2, 4}}, 0, 2},
		"a chain of four":                         {map[int]claim{0: {1, 5}, 1: {2, 4}, 2: {3, 3}, 3: {4, 3}}, 0, 4},
		"a claim about somebody else":             {map[int]claim{0: {1, 5}, 2: {0, 9}}, 0, 1},
		"a lost message: both wait for the other": {map[int]claim{0: {1, 6}, 1: {0, 5}}, 0, 0},
		"a lost message, seen by a third":         {map[int]claim{2: {0, 6}, 0: {1, 6}, 1: {0, 5}}, 2, 0},
		"a circle at one step":                    {map[int]claim{0: {1, 5}, 1: {2, 5}, 2: {0, 5}}, 0, 1},
		"another's claim comes first":             {map[int]claim{2: {1, 5}, 1: {3, 5}}, 2, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			blame, by, step := culprit(c.claims, c.first)
			if blame != c.origin {
				t.Errorf("named %d", blame)
			}
			if c.claims[by] != (claim{blame, step}) {
				t.Errorf("nobody said so: %d at step %d", by, step)
			}
		})
	}
}

func TestAClaimThatWasTakenBackNamesNobody(t *testing.T) {
	if blame, by, _ := culprit(map[int]claim{1: {2, 5}}, 3); blame != nobody || by != nobody {
		t.Errorf("%d blames %d", by, blame)
	}
}
