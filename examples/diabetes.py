"""How far will a disease go in a year? A network beside linear regression: `python examples/diabetes.py`.

442 patients, ten measurements each. So few and so noisy samples hold little more than a linear relation: the small network
must be kept from learning them by heart (weight decay, early stopping), and then does about as well as the line, hardly better.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression

import nn


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=300, help="how often to go through the data, at most")
    options = parser.parse_args()
    data = nn.data.load_diabetes()
    order = np.random.default_rng(0).permutation(len(data))
    train, check, test = np.split(order, [265, 331])
    x, y = (part.numpy() for part in data.tensors)
    scale_x, scale_y = nn.data.transforms.Standardize(x[train]), nn.data.transforms.Standardize(y[train])
    inputs, targets = scale_x(x), scale_y(y)[:, 0]  # of mean 0 and standard deviation 1, so that no measurement weighs more

    nn.manual_seed(0)
    model = nn.models.MLP([10, 32, 1], activation="tanh", dropout=0.2, task="regression")
    optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    stopping = nn.callbacks.EarlyStopping("val_loss", patience=30)
    history = nn.Trainer(model, model.loss(), optimizer, callbacks=[stopping]).fit(
        (inputs[train], targets[train]), options.epochs, validation=(inputs[check], targets[check]), progress=False
    )
    print(f"Learned from {len(train)} patients; epoch {stopping.best_epoch} of {len(history)} was best for {len(check)} others")

    line = LinearRegression().fit(inputs[np.r_[train, check]], targets[np.r_[train, check]])
    truth = y[test, 0]
    figure = Figure(figsize=(9, 4.2))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name, says in ((panels[0], "network", model.predict), (panels[1], "linear regression", line.predict)):
        predicted = scale_y.inverse(says(inputs[test])[:, None])[:, 0]
        r2, rmse = nn.metrics.r2_score(predicted, truth), nn.metrics.root_mean_squared_error(predicted, truth)
        print(f"{name:17s} on {len(test)} patients that it has not seen: R2 {r2:.3f}, RMSE {rmse:.1f}")
        axes.axline((150, 150), slope=1, color=style.GREY, linewidth=1, linestyle=":")
        axes.scatter(truth, predicted, color=style.BLUE, s=16, alpha=0.7, linewidths=0)
        axes.set_title(f"{name.capitalize()}: R² {r2:.2f}, RMSE {rmse:.0f}")
        axes.set(aspect="equal", xlim=(0, 350), ylim=(0, 350), xticks=range(0, 351, 100), yticks=range(0, 351, 100))
        axes.set(xlabel="progression after a year, measured", ylabel="progression, predicted")
        axes.label_outer()
    figure.axes[0].text(330, 335, "exact", color=style.GREY, ha="right", va="bottom")
    style.save(figure, options.output / "diabetes.png")


if __name__ == "__main__":
    main()
