# Draws the number of exits by reason, on a log scale, with the most frequent on top.
load 'style.gp'
file = data.'/counts.tsv'
rows = system("wc -l <'".file."'") + 0
set terminal svg size 900, 120 + 42 * rows font 'sans-serif,14' background rgb 'white'
set output output
set title 'Exits by reason' font ',18' tc rgb INK offset 0, -0.5
set logscale x
set xrange [0.7:12000]
set format x "%'.0f"
set yrange [-0.6:rows - 0.4]
set xlabel 'number of exits (log scale)' tc rgb INK
set ytics scale 0 noenhanced
set key at graph 0.99, 0.12 right reverse Left samplen 1.5
plot file using (NaN):0:ytic(1) with points notitle, \
	for [i = 0:beds - 1] file using (0.7):(middle($0, i)):(0.7):(column(2 + 3 * i)):\
		(middle($0, i) - HALF):(middle($0, i) + HALF) \
		with boxxyerror fs solid noborder lc rgb colour(i) title bed(i), \
	for [i = 0:beds - 1] file using (column(2 + 3 * i)):(middle($0, i)):\
		(sprintf('%d', column(2 + 3 * i))) with labels left offset 0.5, 0 font ',12' tc rgb INK notitle
