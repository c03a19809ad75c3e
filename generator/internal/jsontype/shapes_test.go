package jsontype_test

//lint:file-ignore U1000,SA5008 odd fields and tags are what the shapes are for

// The structs that TestJSONFieldsAreThoseOfEncodingJSON looks at, both with
// go/types and with encoding/json. This file imports nothing, so that it can be
// type-checked alone.

type shapeID int

type shapelessID string

type shapeBase struct {
	Name  string
	Inner string `json:"inner"`
	depth int
}

type ShapeOther struct {
	Name string
	Age  int `json:"age"`
}

type ShapeDeep struct{ ShapeOther }

type ShapeLoop struct {
	*ShapeLoop
	ShapeOther
	Own string
}

type ShapeText string

type (
	shapePlain struct {
		A, B string
		c    int
		D    int `json:"-"`
		E    int `json:"-,"`
		F    int `json:"ef,omitempty"`
		G    int `json:",string"`
		H    int `json:"h\"h"`
		I    int `json:"with space"`
		J    int `json:"jé"`
		K    int `yaml:"k"`
		_    int
	}
	shapeEmbeds struct {
		shapeBase
		ShapeOther
	}
	shapeDiamondLeft  struct{ ShapeDiamond }
	shapeDiamondRight struct{ ShapeDiamond }
	ShapeDiamond      struct{ ShapeDiamondEnd }
	ShapeDiamondEnd   struct{ End string }
	// The fields of ShapeDiamondEnd are found through the left one.
	shapeDiamonds struct {
		shapeDiamondLeft
		shapeDiamondRight
		Own string
	}
	shapeTagWins struct {
		shapeBase
		ShapeOther
		Other string `json:"Name"`
	}
	shapeOneTagged struct {
		A string `json:"x"`
		B string
		X string `json:"B"`
	}
	shapeDeeper struct {
		ShapeDeep
		shapeBase
	}
	shapeNamed struct {
		ShapeOther `json:"other"`
		shapeBase  `json:"base"`
	}
	shapeScalars struct {
		shapeID
		shapelessID `json:"tagged"`
		ShapeText
	}
	shapeLoops struct {
		ShapeLoop
		Name string
	}
	shapeTwice struct {
		ShapeDeep
		Again struct{ ShapeOther }
		ShapeOther
	}
	shapeSkips struct {
		ShapeOther `json:"-"`
		Name       int
	}
)

var shapes = map[string]any{
	"shapePlain": shapePlain{}, "shapeEmbeds": shapeEmbeds{}, "shapeTagWins": shapeTagWins{},
	"shapeOneTagged": shapeOneTagged{}, "shapeDeeper": shapeDeeper{},
	"shapeNamed": shapeNamed{}, "shapeScalars": shapeScalars{}, "shapeLoops": shapeLoops{ShapeLoop: ShapeLoop{ShapeLoop: &ShapeLoop{}}},
	"shapeDiamonds": shapeDiamonds{}, "shapeTwice": shapeTwice{}, "shapeSkips": shapeSkips{},
}
