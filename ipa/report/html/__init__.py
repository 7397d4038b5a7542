"""`ipa report`: a run as one HTML file. story: what is told · bins, turns: made readable · chart, lanes: where each
mark stands · page: the text and the template. Pure: reads no file but its own template, writes none."""
