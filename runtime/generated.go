package runtime

// Generated code imports package generated beside this one. A vendor folder that was made
// before taskgen's first run has what handwritten code imports, so this must lead there.
import _ "github.com/taskgen/taskgen/runtime/generated"
